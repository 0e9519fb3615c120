"""Who is on call, and who is woken when nobody answers. Pure: a rota and a time go in, people come out."""

"""Many clusters at once: what a fleet is, which cluster gets a request, how much may be out, and who arrives when."""

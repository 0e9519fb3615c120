(() => {
  const time = document.querySelector("time");
  const local = document.getElementById("local");
  if (!time || !local) return;
  const at = new Date(time.dateTime);
  if (at.getTimezoneOffset() === 0) return;
  const isToday = at.toDateString() === new Date().toDateString();
  const format = { hour: "numeric", minute: "2-digit", ...(isToday ? {} : { weekday: "long", day: "numeric", month: "long" }) };
  local.textContent = ` That is ${at.toLocaleString([], format)} on your clock.`;
})();

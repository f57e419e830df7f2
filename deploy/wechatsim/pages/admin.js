// Every form of the admin page is an order of the admin API: its data-action is the path, in which {name} stands for
// the field of that name, and its other fields are the JSON body. A field's data-type tells how to write it.
"use strict";

const result = document.getElementById("result");

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  const text = field.value.trim();
  if (text === "") return undefined;
  if (field.dataset.type === "number") return Number(text);
  if (field.dataset.type === "list") return text.split(/[\s,]+/);
  if (field.dataset.type === "json") return JSON.parse(text);
  return text;
}

async function order(form) {
  const body = {};
  let path = form.dataset.action;
  for (const field of form.elements) {
    if (!field.name) continue;
    const value = valueOf(field);
    if (path.includes("{" + field.name + "}")) {
      path = path.replace("{" + field.name + "}", encodeURIComponent(value ?? ""));
    } else if (value !== undefined) {
      body[field.name] = value;
    }
  }
  const whole = form.querySelector("[data-whole]");
  const method = form.dataset.method || "POST";
  const answer = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: method === "DELETE" ? undefined : JSON.stringify(whole ? body[whole.name] ?? {} : body),
  });
  return [answer.ok, await answer.text()];
}

for (const form of document.querySelectorAll("form[data-action]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const [ok, text] = await order(form);
      sessionStorage.setItem("wechatsim-result", text);
      if (ok) location.reload();
      else result.textContent = text;
    } catch (error) {
      result.textContent = String(error);
    }
  });
}

result.textContent = sessionStorage.getItem("wechatsim-result") ?? "";

// Passkeys: fetch a question, let the browser answer it, send the answer with the form.
// A button with data-passkey="create|get" and data-question="address" stands in a form with a field named "answer".
const page = document;

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function text(buffer) {
  if (!buffer) return undefined;
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function withBytes(credentials) {
  return (credentials ?? []).map((item) => ({ ...item, id: bytes(item.id) }));
}

async function question(address) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "X-CSRFToken": page.body.dataset.csrf, Accept: "application/json" },
    credentials: "same-origin",
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(`the question was refused: ${answer.status}`), { said: said.message });
  }
  return (await answer.json()).publicKey;
}

async function create(options) {
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: text(credential.response.clientDataJSON),
      attestationObject: text(credential.response.attestationObject),
      transports: credential.response.getTransports?.() ?? [],
    },
  };
}

async function get(options) {
  const credential = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: text(credential.response.clientDataJSON),
      authenticatorData: text(credential.response.authenticatorData),
      signature: text(credential.response.signature),
      userHandle: text(credential.response.userHandle),
    },
  };
}

const REASONS = {
  NotAllowedError: "The passkey was cancelled, or the time for it ran out. Try again, or use another way to sign in.",
  InvalidStateError: "This device already holds a passkey for your account. Use another device, or remove the old one first.",
  NotSupportedError: "This device cannot make the kind of passkey that is asked for.",
  SecurityError: "Passkeys need HTTPS (or localhost), and the address must be the one they were made for.",
};

function complain(form, error) {
  const place = form.querySelector("[data-passkey-problem]");
  place.textContent = error?.said ?? REASONS[error?.name] ?? "The passkey did not work. Reload the page and try again.";
  place.hidden = false;
}

// A form that a script sends says nothing of the button that was pressed.
function pressed(button) {
  const input = page.createElement("input");
  input.type = "hidden";
  input.name = button.name;
  input.value = button.value;
  return input;
}

page.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-passkey]");
  if (!button) return;
  event.preventDefault();
  const form = button.closest("form");
  if (!form.reportValidity()) return;
  button.disabled = true;
  try {
    const options = await question(button.dataset.question);
    const answer = button.dataset.passkey === "create" ? await create(options) : await get(options);
    form.elements.namedItem("answer").value = JSON.stringify(answer);
    if (button.name) form.append(pressed(button));
    form.submit();
  } catch (error) {
    complain(form, error);
    button.disabled = false;
  }
});

if (!window.PublicKeyCredential) {
  for (const button of page.querySelectorAll("[data-passkey]")) button.disabled = true;
}

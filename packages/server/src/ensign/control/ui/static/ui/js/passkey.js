// Passkeys: allauth's own scripts run under our policy; they only log errors. Say them instead.
import { complain } from "./live.js";

const REASONS = {
  NotAllowedError: "The passkey was cancelled, or the time for it ran out. Try again, or use another way to sign in.",
  InvalidStateError: "This device already holds a passkey for your account. Name another device, or remove the old one first.",
  NotSupportedError: "This device cannot make the kind of passkey that is asked for.",
  SecurityError: "Passkeys need HTTPS (or localhost), and the address must be the one they were made for.",
};

export function start() {
  document.addEventListener("allauth.error", (event) => {
    const error = event.detail.exception;
    event.preventDefault();
    complain("The passkey did not work", REASONS[error?.name] ?? "Reload the page and try again, or use another way to sign in.");
  });
}

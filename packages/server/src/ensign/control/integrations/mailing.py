"""E-mail by SMTP. Which server is set where Ensign is started (docs/reference/settings.md), never on a page."""

from __future__ import annotations

import smtplib
from email.errors import MessageError

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from ensign.control.integrations.domain.messages import Mail

TIMEOUT = 15
"""Seconds for connecting, and for each answer of the server."""


def configured() -> bool:
    """Whether a server is set."""
    return bool(settings.SMTP_HOST)


def send(mail: Mail, *, to: str) -> None:
    """Hand one e-mail to the server. With TLS its certificate is always checked.

    :raises OSError: when it does not take it, saying why without the recipient's address.
    """
    backend = EmailBackend(
        host=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        username=settings.SMTP_USER,
        password=settings.SMTP_PASSWORD,
        use_tls=settings.SMTP_TLS == "starttls",
        use_ssl=settings.SMTP_TLS == "tls",
        timeout=TIMEOUT,
    )
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        from_email=settings.SMTP_FROM,
        to=[to],
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
        connection=backend,
    )
    message.attach_alternative(mail.html, "text/html")
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        raise OSError(f"the server refused the recipient ({', '.join(codes)})") from None
    except smtplib.SMTPResponseException as error:
        raise OSError(f"the server answered {error.smtp_code}") from None
    except (smtplib.SMTPException, MessageError, ValueError) as error:
        raise OSError(f"the server did not take it: {type(error).__name__}") from None
    except OSError as error:
        raise OSError(f"the server cannot be reached: {type(error).__name__}") from None


def refused_for_good(error: OSError) -> bool:
    """Whether trying again is in vain: the server refused the recipient with a permanent code (RFC 5321, 4.2.1)."""
    return "refused the recipient (5" in str(error)

"""XML of strangers, parsed within bounds: no document type, no entities, no network, few elements, little depth.

Namespaces have the prefixes of the specifications (SAML Core 2.0, XML Signature, XML Encryption).
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from lxml import etree

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
XML: Final = "http://www.w3.org/XML/1998/namespace"

#: Bytes of a message. 150 groups of Entra ID take about 20 KiB.
MAX_BYTES: Final = 192 * 1024
MAX_METADATA: Final = 1024 * 1024
MAX_DEPTH: Final = 24
MAX_ELEMENTS: Final = 3_000
MAX_ATTRIBUTES: Final = 24
MAX_NAMESPACES: Final = 24
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

Element = Any
"""``lxml.etree._Element``; lxml has no types."""


class Refused(Exception):
    """A message that nothing more is done with. ``code`` is frozen and stands in the log: the kind, nothing typed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def decode(text: str, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a form's base64 field; line breaks are allowed, anything else that is not base64 is not.

    :raises Refused: ``too_large`` or ``encoding``.
    """
    if len(text) > limit * 3 // 2:
        raise Refused("too_large", f"The message is larger than {limit // 1024} KiB.")
    joined = text.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(joined):
        raise Refused("encoding", "The message is not base64.")
    return base64.b64decode(joined)


def parse(raw: bytes, *, limit: int = MAX_BYTES, elements: int = MAX_ELEMENTS, comments: bool = False) -> Element:
    """The root element of a document in UTF-8 that holds elements, attributes and text, and nothing else.

    ``comments``: they are allowed, and dropped, as metadata may have them.

    In well-formed XML ``<!`` begins nothing but a comment, a CDATA section or a document type, and ``<?`` nothing but
    a processing instruction or the XML declaration; identity providers send none of the former. Looking at the bytes
    refuses them before a parser has to.

    :raises Refused: ``too_large``, ``encoding``, ``doctype``, ``not_xml``, ``too_deep`` or ``too_many``.
    """
    if len(raw) > limit:
        raise Refused("too_large", f"The message is larger than {limit // 1024} KiB.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("encoding", "The message is not in UTF-8.") from error
    declared, _, _ = text.partition("?>") if text.startswith("<?xml ") else ("", "", "")
    if "encoding" in declared and "utf-8" not in declared.lower():
        raise Refused("encoding", "The message declares another encoding than UTF-8.")
    body = text[len(declared) + 2 :] if declared else text
    forbidden = ("<!DOCTYPE", "<!ENTITY", "<![", "\x00") if comments else ("<!", "<?", "\x00")
    if any(mark in body for mark in forbidden):
        raise Refused("doctype", "The message holds a document type, a comment or a processing instruction.")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_blank_text=False,
        strip_cdata=False,
        remove_comments=comments,
        remove_pis=comments,
        recover=False,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused("not_xml", "The message is not well-formed XML.") from error
    if root.getroottree().docinfo.doctype:
        raise Refused("doctype", "The message holds a document type.")
    _measure(root, elements)
    return root


def _measure(root: Element, elements: int) -> None:
    """Refuse what is deep or wide, or holds anything but elements."""
    depth = count = 0
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "end":
            depth -= 1
            continue
        if event != "start" or not isinstance(element.tag, str):
            raise Refused("doctype", "The message holds a comment or a processing instruction.")
        depth += 1
        count += 1
        if depth > MAX_DEPTH:
            raise Refused("too_deep", f"The message is nested deeper than {MAX_DEPTH} elements.")
        if count > elements or len(element.attrib) > MAX_ATTRIBUTES or len(element.nsmap) > MAX_NAMESPACES:
            raise Refused("too_many", "The message holds too many elements, attributes or namespaces.")


def named(namespace: str, name: str) -> str:
    """lxml's name of an element."""
    return f"{{{namespace}}}{name}"


def children(parent: Element, namespace: str, name: str) -> list[Element]:
    """The direct children of that name."""
    return list(parent.findall(named(namespace, name)))


def only(parent: Element, namespace: str, name: str) -> Element:
    """The one direct child of that name.

    :raises Refused: ``shape``, when there is none or several.
    """
    found = children(parent, namespace, name)
    if len(found) != 1:
        raise Refused("shape", f"The message must hold exactly one {name}; it holds {len(found)}.")
    return found[0]


def text_of(element: Element) -> str:
    """The element's text, trimmed. It has no children, comments or entities, so that there is one way to read it.

    :raises Refused: ``shape``, when it has children.
    """
    if len(element):
        raise Refused("shape", f"{etree.QName(element).localname} must hold text alone.")
    return (element.text or "").strip()

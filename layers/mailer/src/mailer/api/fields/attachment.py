"""The attachments of a request: their names, contents and types."""

import re
from binascii import a2b_base64
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, field_names, matches
from mailer.input.inspection import Inspection
from mailer.message.draft import Attachment

MAX_ATTACHMENTS = 100
MAX_FILENAME_OCTETS = 255

CONTENT_TYPE_PATTERN = re.compile(
    r"(?!multipart/|message/)[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\Z"
)
# Only characters that need no escaping in a `cid:` URL in HTML.
CONTENT_ID_PATTERN = re.compile(r"[A-Za-z0-9._+=$~-]+(?:@[A-Za-z0-9._+=$~-]+)?\Z")
MAX_CONTENT_ID = 200


class AttachmentBody(Body, frozen=True, kw_only=True):
    """A file to attach."""

    filename: Annotated[str, Meta(min_length=1, max_length=MAX_FILENAME_OCTETS, description="A name without folders.")]
    content: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]
    content_type: (
        Annotated[str, matches(CONTENT_TYPE_PATTERN.pattern, "The default is chosen by the filename's extension.")]
        | None
    ) = None
    content_id: (
        Annotated[
            str,
            Meta(max_length=MAX_CONTENT_ID),
            matches(CONTENT_ID_PATTERN.pattern, "The id by which the HTML shows an image: cid:..."),
        ]
        | None
    ) = None


type AttachmentsField = Annotated[list[AttachmentBody], Meta(max_length=MAX_ATTACHMENTS)]

# The `mimetypes` module is not used, because it reads system files: a name must have the same type everywhere.
_TYPES = {
    "avif": "image/avif",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
_UNKNOWN_TYPE = "application/octet-stream"


def read_attachments(value: object, pointer: str, inspection: Inspection, *, has_html: bool) -> tuple[Attachment, ...]:
    """Return the attachments. Their decoded contents are not checked."""
    attachments: list[Attachment] = []
    seen: set[str] = set()
    for index, item in enumerate(inspection.items(value, pointer, maximum=MAX_ATTACHMENTS, name="attachments")):
        place = f"{pointer}/{index}"
        attachment = _read_attachment(item, place, inspection)
        content_id = attachment.content_id if attachment else None
        if content_id is not None and content_id in seen:
            inspection.report(f"{place}/content_id", "duplicate-content-id", "Give each content_id once.")
        elif content_id is not None and not has_html:
            inspection.report(f"{place}/content_id", "html-required", "Remove it, or give the html that shows it.")
        elif attachment is not None:
            attachments.append(attachment)
        if content_id is not None:
            seen.add(content_id)
    return tuple(attachments)


def _read_attachment(value: object, pointer: str, inspection: Inspection) -> Attachment | None:
    members = inspection.members(value, pointer, field_names(AttachmentBody))
    if not isinstance(value, dict):
        return None
    for required in ("filename", "content"):
        if required not in members:
            inspection.report(f"{pointer}/{required}", "required", "Give the attachment's filename and content.")
    filename = content = content_type = content_id = None
    if "filename" in members:
        filename = _read_filename(members["filename"], f"{pointer}/filename", inspection)
    if "content" in members:
        content = _read_content(members["content"], f"{pointer}/content", inspection)
    if "content_type" in members:
        content_type = _read_content_type(members["content_type"], f"{pointer}/content_type", inspection)
    elif filename is not None:
        content_type = _TYPES.get(filename.rpartition(".")[2].lower(), _UNKNOWN_TYPE)
    if "content_id" in members:
        content_id = _read_content_id(members["content_id"], f"{pointer}/content_id", inspection)
    if filename is None or content is None or content_type is None:
        return None
    return Attachment(filename, content, content_type, content_id)


def _read_filename(value: object, pointer: str, inspection: Inspection) -> str | None:
    name = inspection.text(value, pointer, maximum=MAX_FILENAME_OCTETS)
    if name is None:
        return None
    if len(name.encode()) > MAX_FILENAME_OCTETS:
        inspection.report(pointer, "too-long", f"Give at most {MAX_FILENAME_OCTETS} octets of UTF-8.")
    elif "/" in name or "\\" in name or name in (".", "..") or name != name.strip():
        inspection.report(pointer, "filename-unsafe", "Give a plain name without folders or spaces around it.")
    else:
        return name
    return None


def _read_content(value: object, pointer: str, inspection: Inspection) -> bytes | None:
    if not isinstance(value, str):
        inspection.report(pointer, "wrong-type", "Give the content as a base64 string.")
        return None
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError:
        inspection.report(
            pointer, "base64-malformed", "Encode with the standard base64 alphabet, with padding, without white space."
        )
        return None


def _read_content_type(value: object, pointer: str, inspection: Inspection) -> str | None:
    if isinstance(value, str) and len(value) <= MAX_FILENAME_OCTETS and CONTENT_TYPE_PATTERN.match(value.lower()):
        return value.lower()
    inspection.report(
        pointer,
        "content-type-malformed",
        "Give a bare type/subtype, without parameters; multipart and message types are refused.",
    )
    return None


def _read_content_id(value: object, pointer: str, inspection: Inspection) -> str | None:
    if isinstance(value, str) and len(value) <= MAX_CONTENT_ID and CONTENT_ID_PATTERN.match(value):
        return value
    inspection.report(
        pointer,
        "content-id-malformed",
        f"Give at most {MAX_CONTENT_ID} ASCII letters, digits and . _ + = $ ~ -, at most one @, no angle brackets.",
    )
    return None

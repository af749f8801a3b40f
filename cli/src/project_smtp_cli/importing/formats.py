"""The formats that can be imported, and which of them a file is in."""

from enum import StrEnum
from typing import Final

from project_smtp_cli.importing import codestream, courier, dreamfactory, messagepipe, tolerant_json
from project_smtp_cli.importing.imported import Imported, NotImportable


class Format(StrEnum):
    """Whose configuration a file is."""

    CODESTREAM = "codestream"
    DREAMFACTORY_ENV = "dreamfactory-env"
    COURIER = "courier"
    MESSAGEPIPE = "messagepipe"


AUTO: Final = "auto"


def convert(text: str, given: Format | None) -> tuple[Format, Imported]:
    """Return the format, recognised where none is given, and what the text comes to; raises `NotImportable`."""
    if given is Format.DREAMFACTORY_ENV or (given is None and dreamfactory.recognises(text)):
        return Format.DREAMFACTORY_ENV, dreamfactory.convert(text)
    value = tolerant_json.read(text)
    meant = given or _recognised(value)
    match meant:
        case Format.CODESTREAM:
            return meant, codestream.convert(value)
        case Format.COURIER:
            return meant, courier.convert(value)
        case Format.MESSAGEPIPE:
            return meant, messagepipe.convert(value)
        case _:
            msg = "The file is in none of the formats that are known. Name its format by --format."
            raise NotImportable(msg)


def _recognised(value: object) -> Format | None:
    if codestream.recognises(value):
        return Format.CODESTREAM
    if messagepipe.recognises(value):
        return Format.MESSAGEPIPE
    return Format.COURIER if courier.recognises(value) else None

"""The formats of the files that can be imported."""

from enum import StrEnum
from typing import Final

from project_smtp_cli.importing import codestream, courier, dreamfactory, json5_file, messagepipe
from project_smtp_cli.importing.imported import Imported, NotImportable


class Format(StrEnum):
    """The system that a file comes from."""

    CODESTREAM = "codestream"
    DREAMFACTORY_ENV = "dreamfactory-env"
    COURIER = "courier"
    MESSAGEPIPE = "messagepipe"


AUTO: Final = "auto"


def convert(text: str, given: Format | None) -> tuple[Format, Imported]:
    """Return the format and the entries; raises `NotImportable`. If `given` is None, the format is detected."""
    if given is Format.DREAMFACTORY_ENV or (given is None and dreamfactory.recognises(text)):
        return Format.DREAMFACTORY_ENV, dreamfactory.convert(text)
    value = json5_file.read(text)
    meant = given or _recognised(value)
    match meant:
        case Format.CODESTREAM:
            return meant, codestream.convert(value)
        case Format.COURIER:
            return meant, courier.convert(value)
        case Format.MESSAGEPIPE:
            return meant, messagepipe.convert(value)
        case _:
            msg = "The format of the file is not recognised. Give it with --format."
            raise NotImportable(msg)


def _recognised(value: object) -> Format | None:
    if codestream.recognises(value):
        return Format.CODESTREAM
    if messagepipe.recognises(value):
        return Format.MESSAGEPIPE
    return Format.COURIER if courier.recognises(value) else None

"""Opens documents in a running LibreOffice, changes each as a person would, and saves it twice.

Run by the Python that has `uno`: office.py PORT JOBS, where JOBS has a JSON line a job: `in`,
`first` and `second` (paths), `extension`, `line`. Prints one line a job: `ok` or what went wrong.
"""

import json
import sys
import time

import uno
from com.sun.star.beans import PropertyValue

FILTERS = {
    "docx": "MS Word 2007 XML",
    "doc": "MS Word 97",
    "odt": "writer8",
    "rtf": "Rich Text Format",
    "xlsx": "Calc MS Excel 2007 XML",
    "xls": "MS Excel 97",
    "ods": "calc8",
    "pptx": "Impress MS PowerPoint 2007 XML",
    "ppt": "MS PowerPoint 97",
    "odp": "impress8",
}


def value(name, what):
    p = PropertyValue()
    p.Name, p.Value = name, what
    return p


def desktop(port):
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext(
        "com.sun.star.bridge.UnoUrlResolver", local
    )
    url = f"uno:socket,host=127.0.0.1,port={port};urp;StarOffice.ComponentContext"
    for _ in range(120):
        try:
            there = resolver.resolve(url)
            return there.ServiceManager.createInstanceWithContext(
                "com.sun.star.frame.Desktop", there
            )
        except Exception:  # noqa: BLE001 - not up yet
            time.sleep(0.5)
    raise SystemExit("LibreOffice does not answer")


def change(document, line):
    if document.supportsService("com.sun.star.text.TextDocument"):
        text = document.getText()
        cursor = text.createTextCursor()
        cursor.gotoEnd(False)
        text.insertString(cursor, "\n" + line, False)
    elif document.supportsService("com.sun.star.sheet.SpreadsheetDocument"):
        sheet = document.getSheets().getByIndex(0)
        cursor = sheet.createCursor()
        cursor.gotoEndOfUsedArea(False)
        row = min(cursor.getRangeAddress().EndRow + 1, 60000)
        for column, word in enumerate(line.split()[:6]):
            sheet.getCellByPosition(column, row).setString(word)
    else:
        page = document.getDrawPages().getByIndex(0)
        shape = document.createInstance("com.sun.star.drawing.TextShape")
        page.add(shape)
        shape.setString(line)


def main():
    there = desktop(sys.argv[1])
    for row in open(sys.argv[2], encoding="utf-8"):
        job = json.loads(row)
        try:
            document = there.loadComponentFromURL(
                "file://" + job["in"], "_blank", 0, (value("Hidden", True),)
            )
            if document is None:
                raise ValueError("cannot be opened")
            for place in ("first", "second"):
                change(document, job["line"])
                document.storeToURL(
                    "file://" + job[place], (value("FilterName", FILTERS[job["extension"]]),)
                )
            document.close(True)
            print("ok", flush=True)
        except Exception as e:  # noqa: BLE001 - told, and the next one is opened
            name = type(e).__name__.rsplit(".", 1)[-1]
            print(name, flush=True)
            if name == "DisposedException":
                # LibreOffice has crashed; whoever started us starts it anew behind this job.
                return


main()

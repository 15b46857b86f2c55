"""O365 (PyPI) against the simulator: signed in by code with PKCE and secret, mail and files.
env: PROXY CA_FILE REQUESTS_CA_BUNDLE TENANT CLIENT_ID CLIENT_SECRET USER_ID"""
import hashlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["HTTPS_PROXY"] = os.environ["https_proxy"] = os.environ["PROXY"]
import requests
from O365 import Account, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

E = os.environ
WORK = Path(tempfile.mkdtemp())
S = {}


def check(ok, what=""):
    if not ok:
        raise AssertionError(what)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def sign_in():
    S["account"] = account = Account((E["CLIENT_ID"], E["CLIENT_SECRET"]), tenant_id=E["TENANT"], auth_flow_type="authorization",
                                     token_backend=MemoryTokenBackend(), protocol=MSGraphProtocol())
    scopes = ["User.Read", "Mail.ReadWrite", "MailboxSettings.ReadWrite", "Files.ReadWrite.All", "offline_access"]
    url, flow = account.con.get_authorization_url(requested_scopes=["https://graph.microsoft.com/" + s for s in scopes if s != "offline_access"],
                                                  redirect_uri="https://school.example/signed-in")
    page = requests.get(url)
    check(page.ok and "login" in page.text, page.text)
    back = requests.post(url, data={"login": E["USER_ID"]}, allow_redirects=False)
    check(back.status_code == 302, back.text)
    check(account.con.request_token(back.headers["location"], flow=flow, store_token=True), "no token")
    check(account.is_authenticated)
    me = account.get_current_user_data()
    check(me.user_principal_name == E["USER_ID"], me)


def refresh():
    check(S["account"].con.refresh_token() is not False, "refresh refused")
    check(S["account"].get_current_user_data() is not None)


def folders():
    S["box"] = box = S["account"].mailbox()
    names = [f.name for f in box.get_folders(limit=50)]
    check("Inbox" in names and "Drafts" in names, names)
    S["parent"] = box.inbox_folder()
    S["made"] = S["parent"].create_child_folder(f"O365 {int(time.time())}")
    check(S["made"] and S["made"].folder_id)
    check(S["made"].name in [f.name for f in S["parent"].get_folders(limit=50)])
    return len(names)


def messages():
    all_of = list(S["box"].inbox_folder().get_messages(limit=None, batch=5))
    check(len(all_of) > 5, len(all_of))
    check(len({m.object_id for m in all_of}) == len(all_of), "a message twice")
    some = list(S["box"].inbox_folder().get_messages(limit=50, query=S["box"].q().contains("subject", all_of[0].subject[:5])))
    check(all_of[0].object_id in [m.object_id for m in some], "filter")
    mime = all_of[0].get_mime_content()
    check(mime and b"Subject" in mime, "MIME")
    with_files = [m for m in all_of if m.has_attachments]
    check(with_files, "no message with attachments")
    check(with_files[0].attachments.download_attachments() and len(with_files[0].attachments) > 0)
    S["letter"] = all_of[0]
    return len(all_of)


def drafts():
    data = os.urandom(200_000)
    (WORK / "small.bin").write_bytes(data)
    draft = S["box"].new_message()
    draft.to.add("somebody@riverside.example")
    draft.subject, draft.body = "A draft of O365", "<p>ä</p>"
    draft.attachments.add(str(WORK / "small.bin"))
    check(draft.save_draft(), "save")
    again = S["box"].get_message(draft.object_id, download_attachments=True)
    check(again.subject == "A draft of O365" and "ä" in again.body and again.is_draft)
    import base64
    got = base64.b64decode(again.attachments[0].content)
    check(digest(got) == digest(data), "attachment")
    large = os.urandom(4_500_000)
    (WORK / "large.bin").write_bytes(large)
    again.attachments.add(str(WORK / "large.bin"))
    check(again.save_draft(), "large attachment")
    third = S["box"].get_message(draft.object_id, download_attachments=True)
    sums = {digest(base64.b64decode(a.content)) for a in third.attachments}
    check(digest(large) in sums, "large attachment differs")
    S["draft"] = third


def move():
    letter = S["letter"]
    before = letter.is_read
    check(letter.mark_as_unread() if before else letter.mark_as_read())
    copy = letter.copy(S["made"])
    check(copy, "copy")
    check(letter.move(S["made"]), "move")
    subjects = [m.subject for m in S["made"].get_messages(limit=10)]
    check(subjects == [letter.subject] * 2, subjects)
    check(S["draft"].delete(), "delete")
    check(S["made"].delete(), "delete folder")
    check(S["made"].name not in [f.name for f in S["parent"].get_folders(limit=50)])


def storage():
    drive = S["drive"] = S["account"].storage().get_default_drive()
    root = drive.get_root_folder()
    check(len(list(root.get_items(limit=100))) > 1)
    folder = S["folder"] = root.create_child_folder("O365 files")
    for name, size in [("small ä.bin", 100_000), ("large.bin", 9_000_000)]:
        data = os.urandom(size)
        (WORK / name).write_bytes(data)
        item = folder.upload_file(str(WORK / name))
        check(item and item.size == size, name)
        down = WORK / "down"
        down.mkdir(exist_ok=True)
        got = drive.get_item(item.object_id)
        check(got.download(str(down)), "download")
        check(digest((down / name).read_bytes()) == digest(data), f"{name} differs")
    names = sorted(i.name for i in folder.get_items(limit=10))
    check(names == ["large.bin", "small ä.bin"], names)


def change_files():
    drive = S["drive"]
    item = drive.get_item_by_path("/O365 files/large.bin")
    check(item.update(name="larger.bin") and item.name == "larger.bin", "rename")
    sub = S["folder"].create_child_folder("below")
    check(item.move(sub), "move")
    check([i.name for i in sub.get_items(limit=5)] == ["larger.bin"])
    (WORK / "small ä.bin").write_bytes(b"second")
    S["folder"].upload_file(str(WORK / "small ä.bin"), conflict_handling="replace")
    small = drive.get_item_by_path("/O365 files/small ä.bin")
    check(small.size == 6 and len(list(small.get_versions())) > 1, "versions")
    check(S["folder"].delete(), "delete")
    check("O365 files" not in [i.name for i in drive.get_root_folder().get_items(limit=100)])



for step in [sign_in, refresh, folders, messages, drafts, move, storage, change_files]:
    try:
        note = step()
    except Exception:
        print("FAILED", step.__name__, file=sys.stderr)
        traceback.print_exc()
        sys.exit(1)
    print("ok", step.__name__, note or "", flush=True)
print("ok ALL")

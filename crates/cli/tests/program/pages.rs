//! Every page that the program writes, in a real browser: it holds at the width of a telephone
//! without being pushed sideways, needs no script, names its schools and when it was made, and on
//! paper nothing of it is missing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::*;
use graph_sim::{Care, SeedPlan};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Of a telephone.
const WIDTH: u64 = 390;

struct Browser(tempfile::TempDir);

impl Browser {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[String]) -> String {
        let mut command = Command::new("chromium");
        // Its sandbox refuses root, as which the tests of a container run.
        command.args(["--headless", "--no-sandbox", "--disable-gpu"]);
        command.arg(format!("--user-data-dir={}", self.path("profile").display()));
        let out = command.args(args).output().expect("chromium starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// How wide a page becomes within this width, and what in it reaches beyond or is pushed
    /// sideways, with all that can be opened open. A window of the browser has a least width, and a
    /// frame has none.
    fn measured(&self, page: &str, width: u64) -> Value {
        const SCRIPT: &str = "onload = () => {
            const frame = document.getElementById('page');
            const page = frame.contentDocument;
            page.querySelectorAll('details').forEach(d => d.open = true);
            const wide = [];
            for (const e of page.querySelectorAll('body *')) {
                if (e.closest('thead')) continue;
                const right = e.getBoundingClientRect().right;
                const pushed = e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1
                    && /auto|scroll/.test(page.defaultView.getComputedStyle(e).overflowX);
                if (right > frame.clientWidth + 0.5 || pushed)
                    wide.push(e.tagName + ' ' + right + ' ' + e.textContent.slice(0, 40));
            }
            const said = {width: page.documentElement.scrollWidth, wide,
                lines: page.body.innerText.length};
            document.getElementById('said').textContent = encodeURIComponent(JSON.stringify(said));
        }";
        let within = page.replace('&', "&amp;").replace('"', "&quot;");
        let frame = self.path("frame.html");
        let text = format!(
            "<!doctype html><meta charset=\"utf-8\"><iframe id=\"page\" \
             style=\"width:{width}px;height:844px;border:0\" srcdoc=\"{within}\"></iframe>\
             <pre id=\"said\"></pre><script>{SCRIPT}</script>"
        );
        std::fs::write(&frame, text).unwrap();
        let dom = self.run(&["--dump-dom".to_owned(), format!("file://{}", frame.display())]);
        let said = dom.split("<pre id=\"said\">").nth(1).unwrap().split('<').next().unwrap();
        let said = percent_decoded(said);
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("the browser measured {said:?}"))
    }

    /// The text of each sheet of paper.
    fn printed(&self, page: &str) -> Vec<String> {
        let (file, pdf) = (self.path("page.html"), self.path("page.pdf"));
        std::fs::write(&file, page).unwrap();
        self.run(&[
            "--no-pdf-header-footer".to_owned(),
            format!("--print-to-pdf={}", pdf.display()),
            format!("file://{}", file.display()),
        ]);
        let out = Command::new("pdftotext").arg(&pdf).arg("-").output().expect("pdftotext starts");
        assert!(out.status.success());
        let text = String::from_utf8(out.stdout).unwrap();
        text.trim_end_matches('\u{c}').split('\u{c}').map(str::to_owned).collect()
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            }
            b => bytes.push(b),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What holds for every page. `wanted` are words of it that must be on paper too.
fn holds(browser: &Browser, name: &str, file: &Path, schools: &[&str], wanted: &[&str]) {
    let page = std::fs::read_to_string(file).unwrap();
    assert!(!page.contains("<script") && !page.contains("http-equiv"), "{name}");
    assert!(!page.contains("src=") && !page.contains("@import"), "{name} asks for another file");
    for width in [320, WIDTH, 1280] {
        let said = browser.measured(&page, width);
        assert!(said["width"].as_u64().unwrap() <= width, "{name} at {width}: {said:#}");
        assert_eq!(said["wide"], serde_json::json!([]), "{name} at {width}");
        assert!(said["lines"].as_u64().unwrap() > 200, "{name} at {width}: {said:#}");
    }
    let sheets = browser.printed(&page);
    let year = jiff::Timestamp::now().strftime("%Y-").to_string();
    for (n, sheet) in sheets.iter().enumerate() {
        for part in schools.iter().copied().chain([year.as_str(), " UTC"]) {
            assert!(words(sheet).contains(part), "{name}, sheet {}: no {part}: {sheet}", n + 1);
        }
        // Blanks around the stroke are as the browser sets them.
        let number = format!("{}/{}", n + 1, sheets.len());
        assert!(words(sheet).replace(' ', "").contains(&number), "{name}: no {number}: {sheet}");
    }
    let all = words(&sheets.join(" "));
    for part in wanted {
        assert!(all.contains(part), "{name} on paper: no {part}: {all}");
    }
}

#[test]
#[ignore = "needs chromium and pdftotext; cargo xtask test installs and runs it"]
fn chromium_shows_every_page_at_390_pixels_and_prints_all_of_it() {
    let browser = Browser::new();
    let schools = school_with(
        &[tiny(Care::Sloppy), SeedPlan { seed: 5, ..tiny(Care::Hardened) }],
        "keep_to_budget = false\ntries = 4\npause_ms = 20\n",
    );
    // One that holds is no proof that one that does not is found.
    let wide =
        format!("<!doctype html><p style=\"white-space:nowrap\">{}</p>", "words ".repeat(99));
    assert!(browser.measured(&wide, WIDTH)["width"].as_u64().unwrap() > WIDTH);
    let pushed = format!("<!doctype html><div style=\"overflow-x:auto\">{wide}</div>");
    assert_ne!(browser.measured(&pushed, WIDTH)["wide"], serde_json::json!([]));

    let sheet = schools.path("copy2-0-recovery/share-1-of-3.html");
    let parts = ["share 1 of 3", "strongroom key recover", "strongroom vault recover"];
    holds(&browser, "a recovery sheet", &sheet, &["school0"], &parts);
    let one = std::fs::read_to_string(&sheet).unwrap();
    assert_eq!(browser.printed(&one).len(), 1, "a sheet is one sheet");

    for name in ["school0", "school1"] {
        tenant(&schools, name, &["snapshot"]);
    }
    let path = |name: &str| schools.path(name);
    let write = |args: &[&str], out: &Path| {
        let done = schools.run(&[args, &["--out", out.to_str().unwrap()]].concat());
        assert!(out.exists(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    // A closed finding is not open to somebody who holds the paper.
    let closed = ["SMTP takes passwords", "What to do:", "Schools, worst first", "Microsoft's"];
    write(&["fleet", "--format", "html"], &path("fleet.html"));
    holds(&browser, "fleet", &path("fleet.html"), &["school0", "school1"], &closed);
    let text = std::fs::read_to_string(path("fleet.html")).unwrap();
    let printed = words(&browser.printed(&text).join(" "));
    let findings = text.matches("<details").count();
    assert_eq!(printed.matches("What to do:").count(), findings, "each finding is printed whole");
    write(&["--tenant", "school1", "tenant", "check", "--format", "html"], &path("check.html"));
    holds(&browser, "tenant check", &path("check.html"), &["school1"], &[]);
    write(&["--tenant", "school0", "assess", "--quick"], &path("assess.html"));
    let parts = ["What no backup covers", "Power Platform", "The consent"];
    holds(&browser, "assess", &path("assess.html"), &["school0"], &parts);

    let demo = browser.path("demo");
    let done = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["demo", "--json", "--scale", "0.3", "--dir"])
        .arg(&demo)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let parts = ["NOT clean", "Copy 3, the vault", "identical to their state before the attack"];
    holds(&browser, "demo", &demo.join("report.html"), &["riverside"], &parts);
}

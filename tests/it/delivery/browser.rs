//! The HTML of our mails in a browser: it fits a phone, its bars have their lengths, and nothing in it runs.

use std::fs;
use std::process::Command;

use crate::support::{find, root, skip};

/// Looks at a page from within, and writes down what it sees.
const LOOK: &str = r#"<script>
addEventListener('load', () => {
  const bars = [...document.querySelectorAll('td[bgcolor]')].map(td => Math.round(td.getBoundingClientRect().width));
  const scripts = document.scripts.length, images = document.images.length;
  const width = document.documentElement.scrollWidth, room = innerWidth;
  document.documentElement.innerHTML = '<pre id=seen>' + JSON.stringify({bars, scripts, images, width, room}) + '</pre>';
});
</script>"#;

/// What the browser sees of the mail in a snapshot, in a window of this width.
fn see(chromium: &std::path::Path, snapshot: &str, width: u32) -> serde_json::Value {
    let text = fs::read_to_string(root().join(format!("tests/snapshots/{snapshot}.snap"))).unwrap();
    let html = text.splitn(3, "---\n").nth(2).unwrap().replace("</body>", &format!("{LOOK}</body>"));
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("mail.html");
    fs::write(&page, html).unwrap();
    let mut command = Command::new(chromium);
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=3000"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", page.display()));
    let out = command.output().unwrap();
    let dom = String::from_utf8_lossy(&out.stdout).into_owned();
    let seen = dom.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("{dom}\n{}", String::from_utf8_lossy(&out.stderr)));
    serde_json::from_str(seen).unwrap()
}

#[test]
fn a_mail_fits_a_phone_and_its_bars_have_their_lengths() {
    let Some(chromium) = find("chromium") else {
        return skip("delivery::browser", "no chromium");
    };
    for (snapshot, bars) in [("mail_html", 2), ("mail_digest_html", 2)] {
        for width in [500, 800] {
            let seen = see(&chromium, snapshot, width);
            let lengths: Vec<i64> = seen["bars"].as_array().unwrap().iter().map(|b| b.as_i64().unwrap()).collect();
            assert_eq!(lengths.len(), bars, "{seen}");
            assert!(lengths[0] >= 60 && lengths[1] >= 1 && lengths[1] * 5 < lengths[0], "{seen}");
            assert!(seen["width"].as_i64() <= seen["room"].as_i64(), "no sideways scrolling: {seen}");
            assert_eq!((seen["scripts"].as_i64(), seen["images"].as_i64()), (Some(1), Some(0)), "{seen}");
        }
    }
}

//! The page in a browser: what it shows, that it can be used by keyboard, and that nothing in a log can run in it.

use std::fmt::Write;

use super::chrome::Chrome;
use super::kit::{TOKEN, append, get, get_when, start};
use crate::support::{find, skip};

/// What a log can hold to get hold of a page.
const HOSTILE: [&str; 8] = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "'\"><svg onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "{{constructor.constructor('window.pwned=1')()}}",
    "</title></style></script><script>window.pwned=1</script>",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "\u{202e}\u{0007}__proto__",
];

fn base() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() - chrono::Duration::minutes(50)
}

/// Requests of many keys over the last 50 minutes, some failing, with hostile names, and a leak.
fn traffic(keys: usize, each: usize) -> String {
    let mut out = String::new();
    for n in 0..each {
        for k in 0..keys {
            let at = base() + chrono::Duration::seconds((n * 3000 / each) as i64);
            let status = if k % 7 == 3 && n % 3 == 0 { 500 } else { 200 };
            let _ = writeln!(
                out,
                "{{\"time\":\"{}\",\"api_key\":\"sk-proj-Zq3vT8yLmN4pR7sW2xK9cB5dF6gH1jQ0aE8uI3oP7r{k:05}\",\"ip\":\"203.0.{}.7\",\"method\":\"GET\",\"path\":\"/v1/items/{}\",\"status\":{status},\"model\":\"gpt-{}\"}}",
                at.to_rfc3339(),
                k % 200,
                k % 3,
                k % 4,
            );
        }
    }
    out
}

/// Lines whose every value is hostile, as far as a reader takes it up.
fn hostile() -> String {
    let mut out = String::new();
    for text in HOSTILE {
        let text = text.replace('"', "\\\"");
        let at = chrono::Utc::now().to_rfc3339();
        for _ in 0..3 {
            let _ = writeln!(
                out,
                "{{\"time\":\"{at}\",\"api_key_id\":\"{text}\",\"ip\":\"198.51.100.9\",\"method\":\"{text}\",\"path\":\"/{text}\",\"status\":200,\"model\":\"{text}\",\"user_agent\":\"{text}\",\"origin\":\"{text}\",\"region\":\"{text}\",\"service\":\"{text}\"}}"
            );
        }
        let _ = writeln!(
            out,
            "{{\"time\":\"{at}\",\"{text}\":\"AKIAIOSFODNN7EXAMPL3\",\"msg\":\"{text} password=hunter2hunter2\"}}"
        );
    }
    out
}

/// Every view, once it is filled: where it is, and what shows that it is there.
const VIEWS: [(&str, &str); 5] = [
    ("now", "document.querySelectorAll('.tiles dd').length === 7"),
    ("keys", "document.querySelector('tbody tr td a')"),
    ("alerts", "document.querySelector('main tbody a')"),
    ("sources", "document.querySelector('details table')"),
    ("redactions", "document.querySelector('.share')"),
];

#[test]
fn the_page_shows_everything_and_nothing_of_a_log_runs_in_it() {
    let Some(chromium) = find("chromium") else { return skip("web::browser", "no chromium") };
    let service = start("[receivers.ops]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n");
    append(&service, &(traffic(60, 40) + &hostile()));
    get_when(&service, "/api/v1/status", |s| {
        s["now"]["lines"] == 60 * 40 + 32 && s["keys"]["tracked"].as_u64() > Some(60)
    });
    let mut chrome = Chrome::start(&chromium);
    let page = format!("http://{}/", service.address);
    chrome.look(1300, 900, "light");
    chrome.open(&page);
    for (view, there) in VIEWS {
        chrome.eval(&format!("location.hash = '{view}'"));
        chrome.wait(there);
        for (width, colours) in [(1300, "light"), (1300, "dark"), (400, "light"), (400, "dark")] {
            chrome.look(width, 900, colours);
            let wide = chrome.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(wide.as_i64() <= Some(0), "{view} at {width}: {wide} too wide");
            chrome.picture(&format!("{view}-{width}-{colours}"));
        }
        chrome.look(1300, 900, "light");
    }
    // each key with a hostile name (one is another one, spelt otherwise), each alert, and all they say
    let keys = get(&service, "/api/v1/keys?limit=500&search=198.51");
    assert_eq!(keys["matched"], 0);
    let keys = get(&service, "/api/v1/keys?limit=500&sort=key");
    let odd = |k: &serde_json::Value| k["type"] != "OPENAI_API_KEY" && k["type"] != "AWS_ACCESS_KEY_ID";
    let odd: Vec<String> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|k| odd(k))
        .map(|k| k["key"].as_str().unwrap().to_owned())
        .collect();
    assert!(odd.len() >= HOSTILE.len() - 1, "{odd:?}");
    for key in &odd {
        chrome.eval(&format!("location.hash = 'key/' + encodeURIComponent({})", serde_json::json!(key)));
        chrome.wait("[...document.querySelectorAll('h2')].some(h => h.textContent === '8 weeks')");
    }
    chrome.picture("key-hostile");
    let first = get(&service, "/api/v1/keys?sort=-requests")["keys"][0]["key"].as_str().unwrap().to_owned();
    for (width, colours) in [(1300, "light"), (400, "dark")] {
        chrome.look(width, 1200, colours);
        chrome.eval(&format!("location.hash = 'key/{first}'"));
        chrome.wait("[...document.querySelectorAll('h2')].some(h => h.textContent === '8 weeks')");
        chrome.picture(&format!("key-{width}-{colours}"));
        chrome.eval("location.hash = 'now'");
        chrome.wait("document.querySelectorAll('.tiles dd').length === 7");
    }
    for alert in get(&service, "/api/v1/alerts?limit=500")["alerts"].as_array().unwrap() {
        chrome.eval(&format!("location.hash = 'alert/{}'", alert["id"].as_str().unwrap()));
        chrome.wait("[...document.querySelectorAll('h2')].some(h => h.textContent === 'Timeline')");
    }
    chrome.picture("alert");
    assert_eq!(chrome.eval("window.pwned"), serde_json::Value::Null);
    chrome.eval("location.hash = 'keys'");
    chrome.wait("document.querySelector('tbody')?.innerText.includes('\\ufffd___proto__')");
    assert_eq!(chrome.eval("document.scripts.length + document.images.length + document.querySelectorAll('iframe,object,embed,link,base').length"), 1);
    // what an attacker would do with a hole does not work either
    let refused = chrome
        .eval("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'set'; } catch { return 'refused'; } })()");
    assert_eq!(refused, "refused");
    let complaints: Vec<_> = chrome.complaints.drain(..).filter(|c| !c.contains("TrustedHTML")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn keys_are_found_by_keyboard_alone_and_an_alert_is_taken_in_hand() {
    let Some(chromium) = find("chromium") else { return skip("web::browser", "no chromium") };
    let service = start("");
    append(&service, &(traffic(120, 10) + &hostile()));
    get_when(&service, "/api/v1/status", |s| {
        s["now"]["lines"] == 1200 + 32 && s["alerts"]["firing"].as_u64() > Some(0)
    });
    let mut chrome = Chrome::start(&chromium);
    chrome.open(&format!("http://{}/", service.address));
    chrome.wait("document.querySelectorAll('.tiles dd').length === 7");
    chrome.press("/", "/");
    chrome.wait("document.activeElement.id === 'search' && document.querySelectorAll('tbody tr').length === 50");
    // the underline, since a pseudonym may happen to hold the letters
    for letter in "aws_".chars() {
        chrome.press(&letter.to_string(), &letter.to_string());
    }
    chrome.wait("document.querySelectorAll('tbody tr').length === 1 && document.querySelector('tbody').innerText.includes('AWS_ACCESS_KEY_ID')");
    chrome.eval("document.getElementById('search').value = ''; document.getElementById('search').dispatchEvent(new Event('input'))");
    chrome.wait("document.querySelectorAll('tbody tr').length === 50");
    // sorted by a heading, by keyboard
    chrome.eval("[...document.querySelectorAll('th button')].find(b => b.textContent === 'Requests').focus()");
    chrome.press("Enter", "\r");
    chrome.wait("document.querySelector('th[aria-sort=descending]')?.textContent === 'Requests'");
    chrome.press("Enter", "\r");
    chrome.wait("document.querySelector('th[aria-sort=ascending]')?.textContent === 'Requests'");
    chrome.eval("[...document.querySelectorAll('button')].find(b => b.textContent === 'Next').click()");
    chrome.wait("document.querySelector('main p[role=status]').textContent.startsWith('51 to 100')");
    // every control has a name, and tabbing reaches the view
    let nameless = chrome.eval("[...document.querySelectorAll('button,input,select,a')].filter(e => e.checkVisibility() && !(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label'))).length");
    assert_eq!(nameless, 0);
    // an alert, with the token
    let alerts = get(&service, "/api/v1/alerts?status=firing");
    let id = alerts["alerts"][0]["id"].as_str().unwrap();
    chrome.eval(&format!("location.hash = 'alert/{id}'"));
    chrome.wait("document.getElementById('what')?.options.length > 1");
    chrome.eval("document.getElementById('author').value = 'ada'; [...document.querySelectorAll('button')].find(b => b.textContent === 'Take in hand').click()");
    chrome.wait("document.getElementById('ask').open && document.activeElement.id === 'secret'");
    chrome.picture("token");
    chrome.call("Input.insertText", serde_json::json!({"text": TOKEN}));
    chrome.press("Enter", "\r");
    chrome.wait("document.querySelector('h1').textContent.includes('in hand')");
    let alert = get(&service, &format!("/api/v1/alerts/{id}"));
    let acked = alert["timeline"].as_array().unwrap().iter().find(|c| c["what"] == "acked").unwrap();
    assert_eq!(acked["author"], "ada");
    chrome.eval("[...document.querySelectorAll('button')].find(b => b.textContent === 'Silence').click()");
    chrome.wait("document.querySelector('h1').textContent.includes('silenced')");
    assert_eq!(get(&service, "/api/v1/silences")["silences"].as_array().unwrap().len(), 1);
    // the one 401 that led to the question is the only complaint
    let complaints: Vec<_> = chrome.complaints.drain(..).filter(|c| !c.contains("401")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn an_empty_service_says_so_and_new_lines_appear_by_themselves() {
    let Some(chromium) = find("chromium") else { return skip("web::browser", "no chromium") };
    let service = start("");
    let mut chrome = Chrome::start(&chromium);
    chrome.look(1300, 900, "dark");
    chrome.open(&format!("http://{}/", service.address));
    chrome.wait("document.getElementById('state').textContent === 'live, all quiet'");
    chrome.wait("document.body.innerText.includes('Nothing is firing.')");
    chrome.picture("now-empty");
    append(&service, &traffic(1, 5));
    chrome.wait("[...document.querySelectorAll('.tiles div')].some(t => t.textContent.includes('5 in all'))");
    chrome.eval("location.hash = 'keys'");
    chrome.wait("document.querySelectorAll('tbody tr').length === 1");
    // a contrast of 4.5 to 1 for all text, in both colours
    for colours in ["light", "dark"] {
        chrome.look(1300, 900, colours);
        let worst = chrome.eval(CONTRAST);
        assert!(worst["ratio"].as_f64() >= Some(4.5), "{colours}: {worst}");
    }
    assert!(chrome.complaints.is_empty(), "{:#?}", chrome.complaints);
}

/// The worst contrast of any text that is to be seen (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r"(() => {
  const parts = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((parts(c)[3] ?? 1) > .99) return c; } return 'rgb(255,255,255)'; };
  let worst = {ratio: 99};
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.closest('svg,.skip,.hidden,:disabled') || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst.ratio) worst = {ratio, text: e.textContent.slice(0, 40), colour: getComputedStyle(e).color, ground: ground(e)};
  }
  return worst;
})()";

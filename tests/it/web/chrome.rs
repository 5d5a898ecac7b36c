//! A browser that a test drives: Chromium without a window, spoken to over two pipes in its own protocol.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Running;

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page open.
pub struct Chrome {
    _process: Running,
    _dir: TempDir,
    to: File,
    from: Receiver<Value>,
    session: String,
    next: u64,
    /// Everything that happened on the page that should not: exceptions, refusals of its policy, foreign requests.
    pub complaints: Vec<String>,
}

impl Chrome {
    pub fn start(program: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (to, from) = (dir.path().join("to"), dir.path().join("from"));
        assert!(Command::new("mkfifo").arg(&to).arg(&from).status().unwrap().success());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("exec \"$0\" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-pipe --user-data-dir=\"$1/profile\" about:blank 3<\"$1/to\" 4>\"$1/from\"");
        let log = File::create(dir.path().join("log")).unwrap();
        shell.arg(program).arg(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Running(shell.spawn().unwrap());
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let answers = BufReader::new(File::open(from).unwrap());
        let (tell, from) = channel();
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let (next, session) = (1, String::new());
        let mut chrome = Self { _process: process, _dir: dir, to, from, session, next, complaints: Vec::new() };
        let page = chrome.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = chrome.call("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        chrome.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chrome.call(&format!("{domain}.enable"), json!({}));
        }
        chrome
    }

    /// Calls a method and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.from.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.hear(&answer);
        }
    }

    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => self.complaints.push(params["exceptionDetails"].to_string()),
            "Page.javascriptDialogOpening" => self.complaints.push(format!("a dialog: {params}")),
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if !url.starts_with("http://127.0.0.1:") {
                    self.complaints.push(format!("a request to {url}"));
                }
            }
            _ => {}
        }
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait("document.readyState === 'complete'");
    }

    /// What an expression gives; promises are waited for.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let got = self.call("Runtime.evaluate", asked);
        assert!(got["exceptionDetails"].is_null(), "{expression}: {got}");
        got["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(&format!("!!({expression})")) != true {
            let shown = Instant::now() < end;
            if !shown {
                let text = self.eval("document.body.innerText");
                panic!("never true: {expression}\n{text}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key, by its name and, where it types something, its text.
    pub fn press(&mut self, key: &str, text: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Makes the window this large, and the colours `light` or `dark`.
    pub fn look(&mut self, width: u32, height: u32, colours: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": colours}]});
        self.call("Emulation.setEmulatedMedia", scheme);
    }

    /// Writes what is to be seen into the directory that `SCREENSHOTS` names, if any.
    pub fn picture(&mut self, name: &str) {
        let Some(dir) = std::env::var_os("SCREENSHOTS") else { return };
        let got = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(got["data"].as_str().unwrap()).unwrap();
        fs::write(Path::new(&dir).join(format!("{name}.png")), bytes).unwrap();
    }
}

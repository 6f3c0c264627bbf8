//! Pages as a browser sees them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::needs;

/// What a page made a browser say and ask for.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Its messages on the console.
    pub console: Vec<String>,
    /// What it asked the network for.
    pub requests: BTreeSet<String>,
    /// Its title.
    pub title: String,
}

/// Opens `page` in headless Chromium, whose every way to the network leads nowhere.
pub fn open_in_browser(page: &Path) -> Seen {
    open_at(page, 1280)
}

/// Things of `page` that do not fit a window of this width in pixels, or lie over each other. With
/// `print`, the page has the style of its print.
pub fn misfits(page: &Path, width: usize, print: bool) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let text = match print {
        true => text
            .replace("@media print", "@media all")
            .replace("@media (max-width", "@media not all and (max-width"),
        false => text,
    };
    // The window of a headless browser is not narrower than 500 pixels, so the page is.
    let script = format!(
        "<style>html {{ width: {width}px; }}</style><script>
        const out = [];
        const width = {width};
        const name = e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 30);
        const clips = e => {{
            for (let up = e.parentElement; up; up = up.parentElement) {{
                if (getComputedStyle(up).overflowX !== 'visible' && up !== document.body) return true;
            }}
            return false;
        }};
        for (const e of document.querySelectorAll('p, h1, h2, h3, table, td, th, pre, figure, .card, img, svg.picture')) {{
            const box = e.getBoundingClientRect();
            if (box.width > 0 && box.right > width + 1 && ({print} || !clips(e))) out.push('wide: ' + name(e));
            if ({print} && e.scrollWidth > e.clientWidth + 1 && /PRE|TD|TH|TABLE/.test(e.tagName)) out.push('clipped: ' + name(e));
        }}
        for (const cell of document.querySelectorAll('td')) {{
            const rows = cell.closest('tr').querySelectorAll('td');
            rows.forEach((other, i) => {{
                const next = rows[i + 1];
                if (!next) return;
                const [a, b] = [other.getBoundingClientRect(), next.getBoundingClientRect()];
                const apart = a.right <= b.left + 1 || a.bottom <= b.top + 1;
                if (!apart) out.push('over each other: ' + name(other));
            }});
            const inner = cell.firstElementChild;
            if (inner && inner.scrollHeight > cell.clientHeight + 1) out.push('too high: ' + name(cell));
        }}
        document.title = JSON.stringify([...new Set(out)]);
        </script></body>"
    );
    let narrow = match print {
        true => text,
        false => text.replace("@media (max-width: 600px)", "@media all"),
    };
    told(page, &narrow, &script, 1280)
}

/// What axe-core finds in `page` that keeps people out: its serious and critical rules that are
/// broken, each with the first places. The script is the one in MAMMO_PIPE_AXE.
pub fn barriers(page: &Path, width: usize, dark: bool) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let text = match dark {
        true => text.replace("(prefers-color-scheme: dark)", "all"),
        false => text.replace("(prefers-color-scheme: dark)", "not all"),
    };
    let axe = std::env::var("MAMMO_PIPE_AXE").expect("MAMMO_PIPE_AXE is the path of axe.min.js");
    let axe = fs::read_to_string(axe).unwrap();
    let script = format!(
        "<style>body {{ max-width: {width}px; }}</style><script>{axe}</script><script>
        for (const closed of document.querySelectorAll('details')) closed.open = true;
        axe.run(document, {{ resultTypes: ['violations'] }}).then(found => {{
            const grave = found.violations.filter(v => /serious|critical/.test(v.impact));
            const place = node => node.target.join(' ') + ' ' + node.failureSummary.split('\\n').pop();
            const all = grave.map(v => v.id + ': ' + v.nodes.length + ' places, ' +
                v.nodes.slice(0, 3).map(place).join('; '));
            document.title = JSON.stringify(found.passes ? all : ['axe did not run']);
        }});
        </script></body>"
    );
    told(page, &text, &script, width)
}

/// Opens the page with a script at its end that puts a list of texts into the title.
fn told(page: &Path, text: &str, script: &str, width: usize) -> Vec<String> {
    let copy = page.with_extension("measured.html");
    let (before, after) = text.rsplit_once("</body>").expect("a page has a body");
    fs::write(&copy, format!("{before}{script}{after}")).unwrap();
    let title = open_at(&copy, width).title;
    fs::remove_file(&copy).unwrap();
    let title = title
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|e| panic!("{title}: {e}"))
}

fn open_at(page: &Path, width: usize) -> Seen {
    let profile = tempfile::tempdir().unwrap();
    let log = profile.path().join("net.json");
    let mut chromium = Command::new("chromium");
    chromium
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--proxy-server=http://127.0.0.1:9",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=60000",
            "--dump-dom",
        ])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", page.display()));
    let output = needs::run(&mut chromium, "Debian: chromium");
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = String::from_utf8_lossy(&output.stdout);
    let title = shown.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let log = fs::read_to_string(&log).expect("Chromium writes down what it asks for");
    // On its own behalf Chromium asks its maker for updates and the time.
    let of_its_own = |url: &str| {
        let host = url.split('/').nth(2).unwrap_or_default();
        host.ends_with(".google.com") || host.ends_with(".googleapis.com")
    };
    let urls = log.split("\"url\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    Seen {
        console: said.lines().filter(|l| l.contains(":CONSOLE")).map(str::to_owned).collect(),
        requests: urls
            .filter(|url| url.starts_with("http") && !of_its_own(url))
            .map(str::to_owned)
            .collect(),
        title: title.expect("a page has a title").0.to_owned(),
    }
}

//! The small things of pages: names of pictures, provenance, paper, phones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mammo_pipe::evaluate::Bootstrap;
use mammo_pipe::report;

use crate::common::browser::{barriers, misfits, open_in_browser};
use crate::common::release::dataset;
use crate::common::run::run_on;
use mammo_pipe::synth::SynthSpec;

/// A release made by the program, with its page.
fn release(folder: &Path) -> PathBuf {
    let (data, release) = (folder.join("data"), folder.join("release"));
    dataset(&data, &SynthSpec { patients: 12, prevalence: 0.4, ..SynthSpec::default() });
    let made = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .args(["preprocess", "--quiet", "--set", "resize.height=96", "--set", "resize.width=64"])
        .args(["--set", "folds.count=2", "--input"])
        .arg(&data)
        .arg("--output")
        .arg(&release)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    release
}

fn run_page(folder: &Path, release: &Path) -> PathBuf {
    let run = run_on(release, &folder.join("runs/a"));
    let few = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };
    report::run::write(run.folder(), &few).unwrap().page
}

/// The names of the pictures in a page.
fn names(page: &str) -> Vec<&str> {
    let pictures = page.split("class=\"picture\"").skip(1);
    pictures.map(|p| p.split("<title>").nth(1).unwrap().split("</title>").next().unwrap()).collect()
}

#[test]
fn every_picture_has_a_name_of_its_own_and_no_page_tells_where_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path());
    let run = run_page(folder.path(), &release);
    let place = folder.path().to_string_lossy().into_owned();
    for path in [release.join("report.html"), run] {
        let page = fs::read_to_string(&path).unwrap();
        let names = names(&page);
        assert!(names.len() > 8, "{path:?}: {names:?}");
        assert!(names.iter().all(|name| name.contains("image ")), "{path:?}: {names:?}");
        // A run shows an image at most once per gallery, of which it has two.
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert!(2 * distinct.len() >= names.len(), "{path:?}: {names:?}");
        assert!(!page.contains(&place), "{path:?} tells {place}");
    }
    let page = fs::read_to_string(release.join("report.html")).unwrap();
    for part in [">Started<", " UTC<", "mammo-pipe preprocess --quiet", "--input data", "Duration"]
    {
        assert!(page.contains(part), "{part}");
    }
    // Written again without a run, the page still has it.
    report::write(&release, None, None).unwrap();
    let again = fs::read_to_string(release.join("report.html")).unwrap();
    assert!(again.contains("mammo-pipe preprocess --quiet"));
}

#[test]
#[ignore = "needs chromium"]
fn pages_fit_a_phone_and_a_sheet_of_a4() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path());
    let run = run_page(folder.path(), &release);
    for path in [release.join("report.html"), run] {
        assert_eq!(misfits(&path, 360, false), Vec::<String>::new(), "phone: {path:?}");
        // A4 is 210 mm wide, and the margins are 12 mm: 186 mm are 703 pixels.
        assert_eq!(misfits(&path, 703, true), Vec::<String>::new(), "paper: {path:?}");
    }
    // The same eyes do see a page that does not fit.
    let wide = folder.path().join("wide.html");
    let table = "<body><table style='width: 900px'><tr><td>a</td></tr></table></body>";
    fs::write(&wide, format!("<title>t</title>{table}")).unwrap();
    assert!(!misfits(&wide, 360, false).is_empty());
}

/// Runs the program, which must succeed.
fn run(arguments: &[&str], folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[test]
#[ignore = "needs chromium, and MAMMO_PIPE_AXE: the path of axe.min.js"]
fn every_kind_of_page_is_open_to_all_asks_for_nothing_and_says_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let release = release(path);
    let page = run_page(path, &release);
    let other = run_on(&release, &path.join("runs/b"));
    let few = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };
    report::run::write(other.folder(), &few).unwrap();
    run(&["report", "runs/a", "runs/b", "--output", "compared.html"], path);
    fs::create_dir(path.join("disk")).unwrap();
    run(&["bench", "storage", "disk", "--quick", "--page", "storage.html"], path);
    let small = ["train.model.variant=b0", "train.batch=8", "train.epochs=1"];
    let set = small.iter().flat_map(|setting| ["--set", setting]);
    let sweep = ["sweep", "release", "--output", "sweep", "--auxiliary-weights", "cnn,0.5"];
    run(&sweep.into_iter().chain(set).collect::<Vec<_>>(), path);
    let pages = [
        release.join("report.html"),
        page,
        path.join("compared.html"),
        path.join("storage.html"),
        path.join("sweep/sweep.html"),
    ];
    for page in pages {
        let seen = open_in_browser(&page);
        assert_eq!((seen.console, seen.requests.len()), (vec![], 0), "{}", page.display());
        for (width, dark) in [(1280, false), (1280, true), (400, false)] {
            let found = barriers(&page, width, dark);
            assert_eq!(found, Vec::<String>::new(), "{} at {width}, dark {dark}", page.display());
        }
    }
    // The same eyes see a page that keeps people out.
    let bad = path.join("bad.html");
    let body = "<body><img src='data:,'><p style='color: #eee; background: #fff'>pale</p></body>";
    fs::write(&bad, format!("<title>t</title>{body}")).unwrap();
    assert!(barriers(&bad, 1280, false).len() >= 2);
}

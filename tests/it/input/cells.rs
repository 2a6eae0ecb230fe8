//! Promise 10 over every bad input: no output holds a cell of it. `rejects.csv` alone quotes values.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Map, Value, json};

use crate::cli::command::Cli;
use crate::support::fixture::{EXPORT, Scene};

/// Shorter cells are in any text.
const LEAST_CHARS: usize = 4;

/// What is wrong, and the file. A first line of names is that of the scene, so that all else is a cell.
const INPUTS: [(&str, &str); 22] = [
    (
        "no header",
        "anneliese@secret.example,Anneliese,1987-03-01,4711,,,id-90210\nbertram@secret.example,Bertram,x,y,,,\n",
    ),
    (
        "no header and no address first",
        ",Anneliese,1987-03-01,4711,,,id-90210\nbertram@secret.example,Bertram,x,y,,,\n",
    ),
    ("a number for a header", "4711235813\nanneliese@secret.example\n"),
    ("a header of other names", "Kundenmail,Vorname\nanneliese@secret.example,Anneliese\n"),
    ("data above the header", "Anneliese Bertram,Secretstreet 12\nEMail,FirstName,Birthday,Value,Out,No,Id\n"),
    ("malformed rows", "HEADER\nanneliese@secret.example,Anneliese\n\"bertram@secret.example,Bertram\n"),
    (
        "invalid addresses",
        "HEADER\nanneliese@@secret,Anneliese,,,,,id-90210\nmailto:bertram@secret.example,Bertram,,,,,\n",
    ),
    ("no address", "HEADER\n,Anneliese,1987-03-01,4711,,,id-90210\n"),
    ("several addresses", "HEADER\nanneliese@secret.example;bertram@secret.example,Anneliese,,,,,\n"),
    ("values that do not fit", "HEADER\nanneliese@secret.example,Anneliese,01.03.1987,many-4711,,,\n"),
    ("ambiguous dates", "HEADER\nanneliese@secret.example,Anneliese,03/04/1987,\u{20ac}4711,,,\n"),
    (
        "unreadable consent",
        "HEADER\nanneliese@secret.example,Anneliese,,,perhaps-not,,\nbertram@secret.example,Bertram,,,,undecided,\n",
    ),
    ("twice", "HEADER\nanneliese@secret.example,Anneliese,,,,,\nANNELIESE@secret.example,Otherwise,,,true,,\n"),
    ("suppressed", "HEADER\nanneliese@secret.example,Anneliese,,,true,true,id-90210\n"),
    ("JSON without keys", "{\"Kundenmail\":\"anneliese@secret.example\",\"Vorname\":\"Anneliese\"}\n"),
    (
        "JSON that is broken",
        "{\"EMail\":\"anneliese@secret.example\",\"FirstName\":\"Anneliese\"\n{\"EMail\":\"bertram\"}\n",
    ),
    ("a JSON array", "[{\"EMail\":\"anneliese@secret.example\",\"FirstName\":\"Anneliese\"}]\n"),
    ("another delimiter", "EMail;FirstName;Birthday;Value;Out;No;Id\nanneliese@secret.example;Anneliese;x1987;;;;\n"),
    ("a separator that is wrong", "sep=|\nHEADER\nanneliese@secret.example,Anneliese,,,,,\n"),
    ("control characters", "HEADER\nanneliese@secret.example,Anne\u{1b}[31mliese,,\u{202e}4711,,,\n"),
    ("NULs", "HEADER\nanneliese@secret.example,Anne\0liese,,,,,\n"),
    ("a page", "<html><body>anneliese@secret.example Anneliese</body></html>\n"),
];

fn scene(mut scene: Scene) -> Scene {
    let custom = json!({
        "Birthday": { "column": "Birthday", "type": "date" }, "Value": { "column": "Value", "type": "integer" }
    });
    scene.set_export(
        "match",
        json!({ "email": "EMail", "first_name": "FirstName", "unsubscribed": "Out", "id": "Id", "custom": custom }),
    );
    scene.set_export("suppress", json!([{ "column": "No", "equals": true }]));
    scene
}

/// All cells of a file that no other text holds by chance: pieces between whatever may divide cells.
fn cells(bytes: &[u8]) -> BTreeSet<String> {
    let mut plain = Vec::new();
    if flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).is_err() || plain.is_empty() {
        plain = bytes.to_vec();
    }
    let text = match encoding_rs::Encoding::for_bom(&plain) {
        Some((encoding, _)) => encoding.decode(&plain).0.into_owned(),
        None => String::from_utf8_lossy(&plain).into_owned(),
    };
    // The columns that a message may list are not cells.
    let text = match text.split_once('\n') {
        Some((first, rows)) if first.contains("EMail") && !first.contains('{') => rows.to_owned(),
        _ => text,
    };
    let divides = |c: char| ",;|\"{}[]<>\0".contains(c) || c.is_control() || c == '\u{fffd}';
    let own = ["EMail", "FirstName", "Birthday", "Value", "email", "html", "/html", "body", "/body", "true", "false"];
    let pieces = text.split(divides).map(str::trim).filter(|piece| piece.chars().count() >= LEAST_CHARS);
    pieces.filter(|piece| !own.contains(piece) && !piece.starts_with("sep=")).map(str::to_owned).collect()
}

/// Every file below a folder, but for those that hold rows on purpose, and the configuration, which names columns.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, found);
        } else if !["rejects.csv", "unconfirmed.ndjson", "exports.json"].contains(&name.as_str()) {
            found.push(path);
        }
    }
}

fn search(name: &str, cells: &BTreeSet<String>, place: &str, text: &str) {
    for cell in cells {
        assert!(!text.contains(cell.as_str()), "{name}: {place} holds {cell:?}: {text}");
    }
}

/// Runs a file, sends its rejects again, asks for its report; looks for its cells in all that is said and stored.
async fn keeps_its_cells(name: &str, body: &[u8], names: &[&str]) {
    let faults = Fault::parse_list("refuse-batch:bertram").unwrap();
    let cli = Cli::new(scene(Scene::new(Options { faults, ..Options::default() }).await));
    let mut cells = cells(body);
    cells.retain(|cell| !names.contains(&cell.as_str()));
    let drop = cli.scene.file("drop.csv", body);
    let path = drop.to_str().unwrap();
    let mut said = Vec::new();
    for command in [&["plan", EXPORT, path][..], &["run", EXPORT, path, "--json", "-vvv"], &["run", EXPORT, path]] {
        said.push(cli.run(command).await);
    }
    let runs = cli.scene.root().join("runs").join(EXPORT);
    for run in std::fs::read_dir(runs).into_iter().flatten() {
        let run = run.unwrap().file_name().to_string_lossy().into_owned();
        if run.contains(EXPORT) {
            said.push(cli.run(&["report", &run]).await);
            said.push(cli.run(&["report", &run, "--html"]).await);
            said.push(cli.run(&["retry", &run, "-vvv"]).await);
        }
    }
    for (_, out, err) in said {
        search(name, &cells, "what is said", &(out + &err));
    }
    let mut stored = Vec::new();
    files(&cli.scene.root(), &mut stored);
    for path in stored {
        let body = std::fs::read(&path).unwrap();
        let mut text = String::from_utf8_lossy(&body).into_owned();
        if path.extension().is_some_and(|extension| extension == "gz") {
            text.clear();
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            text.push_str(&String::from_utf8_lossy(&plain));
        }
        search(name, &cells, &path.display().to_string(), &text);
    }
}

#[tokio::test]
async fn no_output_holds_a_cell_of_a_bad_input() {
    for (name, text) in INPUTS {
        let text = text.replace("HEADER", "EMail,FirstName,Birthday,Value,Out,No,Id");
        // Names may be shown where they are names for certain.
        let names: &[&str] = if name.contains("other names") { &["Kundenmail", "Vorname"] } else { &[] };
        keeps_its_cells(
            name,
            text.as_bytes(),
            if name == "JSON without keys" { &["Kundenmail", "Vorname"] } else { names },
        )
        .await;
    }
}

#[tokio::test]
async fn no_output_holds_a_cell_of_the_corpus() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut found = Vec::new();
    files(&data.join("hostile"), &mut found);
    files(&data.join("segments"), &mut found);
    for path in found {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "model.json" {
            continue;
        }
        let body = std::fs::read(&path).unwrap();
        // The first line holds names, in all files of which it is read; of JSON lines, the keys are names.
        let text = String::from_utf8_lossy(&body).into_owned();
        let first: String = text.lines().take(4).filter(|line| !line.contains('@')).collect::<Vec<_>>().join(",");
        let objects = text.lines().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
        let keys = objects.flat_map(|object| object.into_iter().map(|(key, _)| key));
        let names: BTreeSet<String> = keys.chain(cells(first.as_bytes())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        keeps_its_cells(&name, &body, &names).await;
    }
}

#[tokio::test]
async fn no_output_holds_a_line_of_a_wrong_suppression_file() {
    for text in ["anneliese@secret.example,\nBertram <bertram@secret.example>\n", "email,why\nanneliese,asked-twice\n"]
    {
        let mut scene = scene(Scene::new(Options::default()).await);
        scene.set_export("suppression_file", json!("suppressed.csv"));
        scene.write("suppressed.csv", text.as_bytes());
        let cli = Cli::new(scene);
        let drop = cli.scene.file("drop.csv", b"EMail,FirstName,Birthday,Value,Out,No,Id\na@x.example,A,,,,,\n");
        let (code, out, err) = cli.run(&["run", EXPORT, drop.to_str().unwrap(), "-vvv"]).await;
        assert_eq!(code, 2, "{err}");
        search("suppression", &cells(text.as_bytes()), "what is said", &(out + &err));
    }
}

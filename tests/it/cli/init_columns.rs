//! What `init` makes of columns that are not clean: consent in many forms, a faulty cell, years of two digits, a name
//! that two columns have.

use autopilot_export::config::{Config, parse};
use serde_json::{Value, json};

use super::init::run_in;

/// What `init` does with a file, and the folder it does it in.
struct Proposed {
    folder: tempfile::TempDir,
    code: i32,
    out: String,
    err: String,
}

impl Proposed {
    async fn of(drop: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Kunden.csv"), drop).unwrap();
        let (code, out, err) = run_in(folder.path(), &[&["init", "Kunden.csv"], args].concat()).await;
        Self { folder, code, out, err }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("exports.json")).unwrap_or_default()
    }

    fn config(&self) -> Config {
        parse(&self.text()).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn to_do(&self, about: &str) -> &str {
        let mut lines = self.err.lines().filter(|line| line.starts_with("to do: ") && line.contains(about));
        lines.next().unwrap_or_else(|| panic!("{about}: {}{}", self.out, self.err))
    }

    async fn plan(&self) -> Value {
        let (code, out, err) = run_in(self.folder.path(), &["plan", "kunden", "Kunden.csv", "--json"]).await;
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{err}"))
    }
}

fn people(header: &str, from: usize, to: usize, rest: &str) -> String {
    let rows: String = (from..to).map(|number| format!("p{number}@example.com;{rest}\n")).collect();
    format!("{header}{rows}")
}

#[tokio::test]
async fn dates_of_opting_out_are_not_advised_as_an_opt_out() {
    let drop = "E-Mail;Abmeldedatum\nann@example.com;01.02.2024\nbea@example.com;\n";
    let proposed = Proposed::of(drop, &[]).await;
    let line = proposed.to_do("Abmeldedatum");
    assert!(line.contains("it holds dates, and a condition needs yes or no"), "{line}");
    assert!(!proposed.err.contains("\"unsubscribed\"") && !proposed.text().contains("Abmeldedatum"));
    let empty = Proposed::of("E-Mail;Abgemeldet am\nann@example.com;\n", &[]).await;
    assert!(empty.to_do("Abgemeldet am").contains("it holds dates"));
    let forced = Proposed::of(drop, &["--opt-out", "Abmeldedatum"]).await;
    assert!(forced.code == 2 && forced.err.contains("deliver a column that says yes"), "{}", forced.err);
    let words = Proposed::of("E-Mail;Newsletter\nann@example.com;weekly\nbea@example.com;stop\n", &[]).await;
    assert!(words.to_do("Newsletter").contains("exports.kunden.require: { \"column\": \"Newsletter\""));
}

#[tokio::test]
async fn all_to_dos_of_consent_can_be_pasted_together() {
    let drop = "E-Mail;Abmeldung;Robinson;Newsletter;Einwilligung;Sperre\nann@example.com;nein;nein;ja;ja;nein\n\
        bea@example.com;ja;nein;ja;ja;nein\ncy@example.com;nein;ja;ja;ja;nein\ndan@example.com;nein;nein;nein;ja;nein\n\
        eve@example.com;nein;nein;ja;ja;ja\n";
    let proposed = Proposed::of(drop, &["--suppress", "Sperre"]).await;
    let lines: Vec<&str> = proposed.err.lines().filter(|line| line.starts_with("    \"")).collect();
    let block: Value = serde_json::from_str(&format!("{{{}}}", lines.concat())).unwrap();
    let keys: Vec<&String> = block.as_object().unwrap().keys().collect();
    assert_eq!((keys.len(), lines.len()), (3, 3), "each key stands there once: {}", proposed.err);
    let mut settings: Value = serde_json::from_str(&proposed.text()).unwrap();
    let export = &mut settings["exports"]["kunden"];
    export["match"]["unsubscribed"] = block["match"]["unsubscribed"].clone();
    export["suppress"] = block["suppress"].clone();
    export["require"] = block["require"].clone();
    std::fs::write(proposed.folder.path().join("exports.json"), settings.to_string()).unwrap();
    let plan = proposed.plan().await;
    let counts = (&plan["members"]["joiners"], &plan["suppressed"], &plan["rejected"]);
    assert_eq!(counts, (&json!(2), &json!(3), &json!(0)), "Ann, and Bea with her opt-out: {plan}");
    assert!(plan.get("notes").is_none(), "{plan}");
}

#[tokio::test]
async fn a_faulty_cell_leaves_the_type_and_is_named() {
    let header = "E-Mail;Umsatz;Seit;Aktiv;Punkte\n";
    let good = people(header, 0, 1000, "1.234,56;31.12.2020;ja;7");
    let faulty = "q@example.com;k.A.;unbekannt;?;-\nr@example.com;1,5;Hans Meier;nein;8\n";
    let proposed = Proposed::of(&format!("{good}{faulty}"), &[]).await;
    let custom = &proposed.config().exports["kunden"].match_.custom;
    let kinds: Vec<&str> = ["Umsatz", "Seit", "Aktiv", "Punkte"].iter().map(|name| custom[*name].kind.name()).collect();
    assert_eq!(kinds, ["float", "date", "boolean", "integer"], "{}", proposed.out);
    let line = proposed.to_do("Umsatz");
    assert!(line.contains("1 cell of Umsatz is not a number, first in line 1002"), "{line}");
    assert!(line.contains("add \"null_values\": [\"k.A.\"] to exports.kunden.match.custom.Umsatz"), "{line}");
    assert!(proposed.to_do("Seit").contains("2 cells of Seit are not a date of this format, first in line 1002"));
    assert!(!proposed.err.contains("Hans") && !proposed.out.contains("Hans"), "no cell that may be a person's");
    let plan = proposed.plan().await;
    assert_eq!((&plan["rejects"]["invalid_value"], &plan["causes"][0]["first_line"]), (&json!(2), &json!(1002)));
    // Too many, or too few rows, are text as before.
    let text = Proposed::of(&format!("{}q@example.com;k.A.\n", people("E-Mail;Umsatz\n", 0, 10, "1,5")), &[]).await;
    assert_eq!(text.config().exports["kunden"].match_.custom["Umsatz"].kind.name(), "string");
}

#[tokio::test]
async fn consent_with_a_faulty_cell_never_counts_as_given() {
    let drop = people("E-Mail;Newsletter\n", 0, 40, "ja") + "q@example.com;?\nr@example.com;k.A.\n";
    let proposed = Proposed::of(&drop, &["--require", "Newsletter"]).await;
    assert!(proposed.to_do("Newsletter").contains("2 cells of Newsletter are neither yes nor no, first in line 42"));
    assert!(!proposed.err.contains("null_values"), "an empty cell of an opt-out would be sent");
    let plan = proposed.plan().await;
    assert_eq!((&plan["members"]["joiners"], &plan["suppressed"]), (&json!(40), &json!(2)), "{plan}");
    // Who left has not agreed, whatever word for it is there.
    let drop = "E-Mail;Newsletter\nann@example.com;angemeldet\nbea@example.com;abgemeldet\n";
    let proposed = Proposed::of(drop, &["--require", "Newsletter"]).await;
    let plan = proposed.plan().await;
    assert_eq!((&plan["members"]["joiners"], &plan["suppressed"]), (&json!(1), &json!(1)), "{plan}");
    let proposed = Proposed::of(drop, &["--opt-out", "Newsletter"]).await;
    assert!(
        proposed.err.contains("note: Newsletter looks like consent; it is used as unsubscribed"),
        "{}",
        proposed.err
    );
}

#[tokio::test]
async fn birthdays_of_two_digits_are_not_put_into_the_future() {
    let drop = "E-Mail;Geburtsdatum;Kunde seit\nann@example.com;24.12.48;01.02.21\nbea@example.com;03.04.81;15.06.19\n";
    let proposed = Proposed::of(drop, &[]).await;
    let line = proposed.to_do("Geburtsdatum");
    assert!(line.contains("00 to 68 as 2000 to 2068, so 1 of its dates would lie in the future"), "{line}");
    let text = proposed.text();
    assert!(!text.contains("Geburtsdatum") && text.contains("\"format\": \"%d.%m.%y\""), "{text}");
    assert!(proposed.err.contains("note: the years of Kunde seit have two digits"), "{}", proposed.err);
    let older = Proposed::of("E-Mail;Geburtsdatum\nann@example.com;24.12.75\nbea@example.com;03.04.81\n", &[]).await;
    assert!(older.to_do("Geburtsdatum").contains("Older birthdays need four digits"));
}

#[tokio::test]
async fn two_columns_of_one_name_are_said_to_be_two() {
    for drop in ["E-Mail;E-Mail\nann@example.com;bea@example.com\n", "E-Mail;E-Mail\n;bea@example.com\n"] {
        let proposed = Proposed::of(drop, &[]).await;
        assert!(proposed.code == 4 && proposed.text().is_empty(), "{}", proposed.err);
        for part in ["columns 1 and 2 of the file have the same name", "rename all but the one", "--email E-Mail"] {
            assert!(proposed.err.contains(part), "{part}: {}", proposed.err);
        }
    }
    let twice = Proposed::of("E-Mail;Newsletter;Newsletter\nann@example.com;ja;nein\n", &[]).await;
    assert!(twice.to_do("Newsletter").contains("several columns have this name"), "{}", twice.err);
}

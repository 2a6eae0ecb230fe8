//! What stands under the program's own help.

/// Examples, the words that the helps of the commands use, and the exit codes.
pub(super) const GUIDE: &str = "\
Examples:
  autopilot-export init members.csv                         propose exports.json for a file
  autopilot-export sandbox --port 8080                      a local Autopilot to try things on
  autopilot-export check                                    configuration, key, lists and fields, before the first run
  autopilot-export plan newsletter members.csv              what a run would send; sends nothing
  autopilot-export run newsletter members.csv               send it
  autopilot-export --store s3://BUCKET connect autopilot-eu   ask for the key, verify it, store it in Secrets Manager
  autopilot-export --store s3://BUCKET start newsletter     start a run on AWS
  autopilot-export retry 20261123T060000Z-newsletter-1a2b3c4d   send the rejected rows again, corrected or not

Words:
  segment, drop     people who belong together; the file, or folder of files, that holds all of them as they are now
  export            which segments go where, through which connection, and which column to which field
  connection        the link to one account: its API, its key's place, its rate
  joiner, leaver    who is new in a segment since the last run; who is in it no longer
  state             what the account is known to hold, so that a run sends only what changed
  reject            a row that cannot be sent; rejects.csv has it with the reason
  suppressed        a person who said no, or whom the suppression file names: not sent, and removed
  withheld          a leaver who stays for now, because the drop may not be whole
  superseded        a run that had nothing to do because a newer drop was applied
  canary            a few joiners who are sent first, to learn how the account takes members
  guard             a limit that stops a run before it sends anything, such as too many leavers
  lane              a part of a run's rows, sent beside the other parts
  lease             what lets one run at a time use a connection

Exit codes: 0 done, also nothing to do or superseded; 1 done with rejects; 2 usage or configuration; 3 access refused;
4 stopped by a guard, or the segment cannot be read; 5 unavailable, with rows pending; 130 interrupted; 70 a bug.";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use clap::CommandFactory;

    use super::GUIDE;
    use crate::entry::args::Args;

    const JARGON: [&str; 11] =
        ["segment", "drop", "state", "guard", "lease", "leaver", "joiner", "reject", "lane", "connection", "export"];

    #[test]
    fn words_of_the_helps_are_explained_once() {
        let explained = GUIDE.split("Words:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let explained: Vec<&str> =
            explained.lines().flat_map(|line| line.get(..20).unwrap().split(',')).map(str::trim).collect();
        let mut program = Args::command();
        program.build();
        for command in program.get_subcommands_mut() {
            let help = command.render_long_help().to_string().to_lowercase();
            let words: Vec<&str> = help.split(|c: char| !c.is_alphanumeric()).collect();
            for word in JARGON.iter().filter(|word| words.iter().any(|said| said.trim_end_matches('s') == **word)) {
                let count = explained.iter().filter(|known| *known == word).count();
                assert_eq!(count, 1, "{word} in the help of {}", command.get_name());
            }
        }
    }
}

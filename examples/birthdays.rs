//! Reminds of the birthdays in the contacts.
//!
//! ```console
//! $ birthdays 7
//! today   Ann Li (40)
//! in 3 d  Bob
//! ```
//!
//! The first argument is how many days to look ahead (14 without it), the
//! second another day than today. It only reads, so it suits a timer.

use heirloom_api::category::contacts::CONTACTS;
use heirloom_api::{Client, home};
use heirloom_base::escape;
use heirloom_base::time::{days_from_civil, rfc3339};
use std::error::Error;
use std::process::ExitCode;
use std::time::SystemTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let ahead: i64 = arguments.first().map_or(Ok(14), |days| days.parse())?;
    let today = match arguments.get(1) {
        Some(day) => day.clone(),
        None => rfc3339(u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?),
    };
    let today = Day::read(&today).ok_or("a day is written 2026-12-24")?;
    let home = home::usual().ok_or("name a data folder with HEIRLOOM_HOME")?;
    let mut node = Client::open(&home).await?;
    let mut coming = Vec::new();
    for contact in node.list(&CONTACTS).await? {
        let birthday = contact.fields.get("birthday").and_then(|value| value.as_str());
        let Some(birthday) = birthday.and_then(Day::read) else { continue };
        let (days, age) = birthday.next_after(&today);
        if days <= ahead {
            coming.push((days, contact.title, age));
        }
    }
    coming.sort();
    for (days, name, age) in coming {
        let when = if days == 0 { "today".to_owned() } else { format!("in {days} d") };
        let age = age.filter(|age| *age >= 0).map(|age| format!(" ({age})")).unwrap_or_default();
        // What others wrote must not steer the terminal.
        println!("{when:8}{}{age}", escape::line(&name));
    }
    Ok(())
}

/// A day of some year, or of every year.
struct Day {
    year: Option<i64>,
    month: i64,
    day: i64,
}

impl Day {
    /// Reads `1984-02-28`, `--02-28`, or a time that begins so.
    fn read(text: &str) -> Option<Self> {
        let (year, rest) = match text.strip_prefix("--") {
            Some(rest) => (None, rest),
            None => {
                let (year, rest) = text.split_once('-')?;
                (Some(year.parse().ok()?), rest)
            }
        };
        let month = rest.get(..2)?.parse().ok().filter(|month| (1..=12).contains(month))?;
        let day = rest.get(3..5)?.parse().ok().filter(|day| (1..=31).contains(day))?;
        Some(Self { year, month, day })
    }

    /// Returns in how many days this birthday is next, and the age then. Who
    /// was born on a leap day celebrates on 1 March in other years.
    fn next_after(&self, today: &Self) -> (i64, Option<i64>) {
        let this_year = today.year.unwrap_or_default();
        let now = days_from_civil(this_year, today.month, today.day);
        let in_year = |year: i64| (days_from_civil(year, self.month, self.day) - now, year);
        let (days, year) = [this_year, this_year + 1]
            .map(in_year)
            .into_iter()
            .find(|(days, _)| *days >= 0)
            .unwrap_or_default();
        (days, self.year.map(|born| year - born))
    }
}

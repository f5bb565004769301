//! A shopping list that a household shares.
//!
//! ```console
//! $ shopping add Milk 2
//! $ shopping tick milk
//! $ shopping list
//! ```
//!
//! Each article is one record of the category `apps`, and each of its fields
//! is written for itself. So one person may tick the milk while another, on a
//! device without a connection, wants three of it: when the devices meet, it
//! is ticked and there are three. The node does that; nothing here does.
//!
//! It works on the node that runs for `HEIRLOOM_HOME`, or for the usual folder.

use heirloom_api::category::apps::APPS;
use heirloom_api::{AppRecord, Client, ClientError, Fields, home};
use heirloom_base::escape;
use std::error::Error;
use std::process::ExitCode;

/// What all records of this app begin with. A domain that is yours, turned
/// around, keeps apps out of each other's way.
const APP: &str = "org.example.shopping";

const USAGE: &str = "usage: shopping add ARTICLE [AMOUNT] | tick ARTICLE | remove ARTICLE | list";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let home = home::usual().ok_or("name a data folder with HEIRLOOM_HOME")?;
    let mut list = List { node: Client::open(&home).await? };
    match arguments {
        ["add", article] => list.add(article, 1).await?,
        ["add", article, amount] => list.add(article, amount.parse()?).await?,
        ["tick", article] => list.tick(article).await?,
        ["remove", article] => list.remove(article).await?,
        ["list"] => list.print().await?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// The list, as the household's records hold it.
struct List {
    node: Client,
}

impl List {
    /// Puts an article on the list. Two devices that add the same one make
    /// the same record, because its name follows from the article.
    async fn add(&mut self, article: &str, amount: u32) -> Result<(), ClientError> {
        let fields =
            Fields::new().json("title", article).json("amount", amount).json("done", false);
        self.node.set(&APPS, &name(article), fields).await?;
        Ok(())
    }

    /// Ticks an article off. Only this one field is written.
    async fn tick(&mut self, article: &str) -> Result<(), Box<dyn Error>> {
        self.expect(article).await?;
        self.node.set(&APPS, &name(article), Fields::new().json("done", true)).await?;
        Ok(())
    }

    /// Takes an article off the list; it stays in the trash, from where `restore`
    /// or adding it again brings it back.
    async fn remove(&mut self, article: &str) -> Result<(), Box<dyn Error>> {
        self.expect(article).await?;
        self.node.delete(&APPS, &name(article)).await?;
        Ok(())
    }

    /// Prints the list: what is still to buy comes first.
    async fn print(&mut self) -> Result<(), ClientError> {
        let mut articles: Vec<Article> =
            self.node.app_records(APP).await?.iter().map(Article::read).collect();
        articles.sort_by(|one, other| {
            (one.done, one.title.to_lowercase()).cmp(&(other.done, other.title.to_lowercase()))
        });
        for Article { title, amount, done } in articles {
            // What others wrote must not steer the terminal.
            let title = escape::line(&title);
            println!("[{}] {amount} x {title}", if done { 'x' } else { ' ' });
        }
        Ok(())
    }

    /// Fails where the article is not on the list: setting a field of a record
    /// that does not exist would make it.
    async fn expect(&mut self, article: &str) -> Result<(), Box<dyn Error>> {
        match self.node.show(&APPS, &name(article)).await {
            Ok(record) if record.deleted => Err(format!("{article} was taken off the list").into()),
            Ok(_) => Ok(()),
            Err(error) if error.is_absent() => Err(format!("{article} is not on the list").into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// An article of the list.
struct Article {
    title: String,
    amount: u64,
    done: bool,
}

impl Article {
    /// Reads a record. Another version of this app may have written it, so
    /// nothing is taken for granted.
    fn read(record: &AppRecord) -> Self {
        let field = |name: &str| record.row.fields.get(name);
        Self {
            title: field("title")
                .and_then(|value| value.as_str())
                .unwrap_or(&record.thing)
                .to_owned(),
            amount: field("amount").and_then(|value| value.as_u64()).unwrap_or(1),
            done: field("done").and_then(|value| value.as_bool()).unwrap_or(false),
        }
    }
}

/// Returns the name of an article's record: `org.example.shopping/oat milk`.
fn name(article: &str) -> String {
    format!("{APP}/{}", article.trim().to_lowercase())
}

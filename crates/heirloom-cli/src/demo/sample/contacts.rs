//! Cards as a phone (vCard 3.0) and a laptop (vCard 4.0) export them.

use super::picture::png;
use super::{Numbers, SampleFile, push_line};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The contact that the demo edits on two devices at the same time.
pub(in crate::demo) const SHARED_NAME: &str = "Ada Lindqvist";

/// The note that this contact begins with.
pub(in crate::demo) const SHARED_NOTE: &str = "Neighbour, waters the plants";

/// Cards in the phone's file.
const PHONE_CARDS: usize = 240;

/// Cards in the laptop's file.
const LAPTOP_CARDS: usize = 70;

/// Given and family names that go together, by region.
const NAMES: &[(&[&str], &[&str])] = &[
    (
        &["Anna", "Ben", "Clara", "Jonas", "Marie", "Lukas", "Jörg", "Käthe"],
        &["Müller", "Schäfer", "Weiß", "Brandt", "Vogel", "Öztürk", "Lindqvist"],
    ),
    (
        &["Zoë", "Declan", "Siobhán", "Rhys", "Imani", "Noah", "Grace"],
        &["O’Neill", "MacLeod", "Okafor", "Smith-Jones", "Campbell", "Walsh"],
    ),
    (
        &["José", "Lucía", "João", "Inês", "Nuño", "Camila"],
        &["García Márquez", "Núñez", "da Conceição", "Peña", "Simões"],
    ),
    (
        &["Łukasz", "Małgorzata", "Dvořák", "Šárka", "Győző", "Ilse"],
        &["Wójcik", "Żeleński", "Novák", "Kovács", "Dąbrowska"],
    ),
    (&["Ελένη", "Γιώργος", "Δήμητρα"], &["Παπαδόπουλος", "Νικολάου", "Οικονόμου"]),
    (&["Ольга", "Дмитро", "Наталія", "Сергей"], &["Шевченко", "Иванова", "Коваль"]),
    (&["ליאור", "נועה", "דוד"], &["כהן", "לוי", "מזרחי"]),
    (&["فاطمة", "يوسف", "ليلى"], &["الهاشمي", "بن علي", "حدّاد"]),
    (&["अनिता", "राहुल", "प्रिया"], &["शर्मा", "पटेल", "सिंह"]),
    (&["美咲", "健太", "さくら"], &["佐藤", "髙橋", "渡邉"]),
    (&["伟", "秀英", "小龍"], &["王", "李", "歐陽"]),
    (&["민준", "서연"], &["김", "박"]),
    (&["สมชาย", "มาลี"], &["ใจดี", "ศรีสุข"]),
    (&["Thị Hương", "Văn Đức"], &["Nguyễn", "Phạm"]),
];

const PLACES: &[(&str, &str, &str)] = &[
    ("Berlin", "10437", "Germany"),
    ("Galway", "H91 X2Y3", "Ireland"),
    ("São Paulo", "01310-100", "Brazil"),
    ("Kraków", "31-019", "Poland"),
    ("Θεσσαλονίκη", "546 24", "Greece"),
    ("Київ", "01001", "Ukraine"),
    ("京都市", "604-8001", "Japan"),
    ("Seattle, WA", "98101", "USA"),
];

const COMPANIES: &[&str] = &[
    "Nordlicht GmbH",
    "Bäckerei Sonne",
    "City Hospital",
    "Škoda & synové",
    "株式会社さくら",
    "Harbour School",
    "Green, Blue; Partners",
];

const TRADES: &[&str] = &["Electrician", "Dentist", "Teacher", "Piano tuner", "Vet", "Carpenter"];

const REMARKS: &[&str] = &[
    "Met at the school fair.\nHas two children.",
    "Prefers calls after 6 pm; never on Sundays",
    "Allergic to nuts, likes rhubarb 🥧",
    "Spare key: under the blue pot\nAlarm: ask first",
    "Нашли собаку в парке, обещали позвонить",
    "お土産は抹茶がお好き",
];

/// Returns the files with cards.
pub(super) fn files() -> Vec<SampleFile> {
    let mut numbers = Numbers::new(2);
    let mut phone = shared_card();
    (0..PHONE_CARDS)
        .for_each(|index| phone.push_str(&Person::new(index, &mut numbers).phone_card()));
    let mut laptop = String::new();
    for index in PHONE_CARDS..PHONE_CARDS + LAPTOP_CARDS {
        laptop.push_str(&Person::new(index, &mut numbers).laptop_card());
    }
    let file = |path: &str, text: String, records: usize| SampleFile {
        path: path.to_owned(),
        bytes: text.into_bytes(),
        records: records as u64,
    };
    vec![
        file("contacts/phone.vcf", phone, PHONE_CARDS + 1),
        file("contacts/laptop.vcf", laptop, LAPTOP_CARDS),
    ]
}

/// Returns the card that the demo edits.
fn shared_card() -> String {
    let mut card = String::new();
    let note = escaped(SHARED_NOTE);
    for line in [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "UID:7d0c9f5e-ada0-4a0e-9b61-demo-shared",
        "N:Lindqvist;Ada;;;",
        &format!("FN:{SHARED_NAME}"),
        "ORG:Harbour School",
        "TEL;TYPE=CELL:+46 70 555 01 23",
        "EMAIL;TYPE=INTERNET:ada@lindqvist.example",
        "BDAY:1984-02-28",
        &format!("NOTE:{note}"),
        "END:VCARD",
    ] {
        push_line(&mut card, line);
    }
    card
}

/// What the cards of one person are made of.
struct Person {
    index: usize,
    given: &'static str,
    family: &'static str,
    place: (&'static str, &'static str, &'static str),
    company: &'static str,
    trade: &'static str,
    remark: &'static str,
    phone: String,
    street: String,
    birthday: String,
}

impl Person {
    fn new(index: usize, numbers: &mut Numbers) -> Self {
        let (given, family) = NAMES[index % NAMES.len()];
        let birthday = format!(
            "{}-{:02}-{:02}",
            1940 + numbers.below(75),
            1 + numbers.below(12),
            1 + numbers.below(28)
        );
        Self {
            index,
            given: numbers.choose(given),
            family: numbers.choose(family),
            place: numbers.choose(PLACES),
            company: numbers.choose(COMPANIES),
            trade: numbers.choose(TRADES),
            remark: numbers.choose(REMARKS),
            phone: format!("+49 30 555 {} {index:03}", numbers.digits(3)),
            street: format!("Lindenstraße {}", 1 + numbers.below(180)),
            birthday,
        }
    }

    fn full_name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    fn mail(&self) -> String {
        format!("person{}@example.org", self.index)
    }

    /// Returns the picture of every fifth person; some are large.
    fn picture(&self) -> Option<String> {
        let seed = u32::try_from(self.index).expect("the sample has a few hundred people");
        let size = if self.index.is_multiple_of(20) { (96, 72) } else { (24, 24) };
        self.index.is_multiple_of(5).then(|| STANDARD.encode(png(size.0, size.1, seed)))
    }

    /// Returns a vCard 3.0 as phones write it; some have no UID.
    fn phone_card(&self) -> String {
        let mut lines = vec!["BEGIN:VCARD".to_owned(), "VERSION:3.0".to_owned()];
        lines.push(format!("N:{};{};;;", escaped(self.family), escaped(self.given)));
        lines.push(format!("FN:{}", escaped(&self.full_name())));
        if !self.index.is_multiple_of(7) {
            lines.push(format!("UID:phone-{:04}@sample.example", self.index));
        }
        lines.push(format!("TEL;TYPE=CELL,VOICE:{}", self.phone));
        if self.index.is_multiple_of(3) {
            lines.push(format!("TEL;TYPE=WORK:{}0", self.phone));
            lines.push(format!("ORG:{};Repairs", escaped(self.company)));
            lines.push(format!("TITLE:{}", self.trade));
        }
        lines.push(format!("EMAIL;TYPE=INTERNET,HOME:{}", self.mail()));
        if self.index.is_multiple_of(2) {
            let (city, code, country) = self.place;
            let (street, city) = (escaped(&self.street), escaped(city));
            lines.push(format!("ADR;TYPE=HOME:;;{street};{city};;{code};{country}"));
            lines.push(format!("BDAY:{}", self.birthday));
        }
        if self.index.is_multiple_of(4) {
            lines.push(format!("item1.URL:https://example.org/~person{}", self.index));
            lines.push("item1.X-ABLabel:_$!<HomePage>!$_".to_owned());
            lines.push(format!("NOTE:{}", escaped(self.remark)));
        }
        if let Some(picture) = self.picture() {
            lines.push(format!("PHOTO;ENCODING=b;TYPE=PNG:{picture}"));
        }
        lines.push("REV:2026-03-14T15:09:26Z".to_owned());
        lines.push("END:VCARD".to_owned());
        joined(&lines)
    }

    /// Returns a vCard 4.0 as desktop programs write it.
    fn laptop_card(&self) -> String {
        let mut lines = vec!["BEGIN:VCARD".to_owned(), "VERSION:4.0".to_owned()];
        lines.push(format!("UID:urn:uuid:5a3b1c00-0000-4000-8000-{:012}", self.index));
        lines.push(format!("FN:{}", escaped(&self.full_name())));
        lines.push(format!("N:{};{};;;", escaped(self.family), escaped(self.given)));
        lines.push("KIND:individual".to_owned());
        lines.push(format!(
            "TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:{}",
            self.phone.replace(' ', "-")
        ));
        lines.push(format!("EMAIL;TYPE=work:{}", self.mail()));
        if self.index.is_multiple_of(2) {
            lines.push(format!("ORG:{}", escaped(self.company)));
            lines.push(format!("BDAY:{}", self.birthday.replace('-', "")));
        }
        if self.index.is_multiple_of(3) {
            lines.push(format!("NOTE;LANGUAGE=en:{}", escaped(self.remark)));
            lines.push("X-PROGRAM-OWN;X-KEPT=\"yes: as it is\":unknown lines stay".to_owned());
        }
        if let Some(picture) = self.picture() {
            lines.push(format!("PHOTO:data:image/png;base64,{picture}"));
        }
        lines.push("END:VCARD".to_owned());
        joined(&lines)
    }
}

fn joined(lines: &[String]) -> String {
    let mut card = String::new();
    lines.iter().for_each(|line| push_line(&mut card, line));
    card
}

/// Returns a text as it stands in a content line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace(',', "\\,").replace(';', "\\;")
}

//! Tries everything out.
use crate::arguments::DemoArguments;
use crate::exit::Trouble;
use crate::screen::Screen;
pub(crate) async fn run(_a: DemoArguments, _screen: &mut Screen) -> Result<(), Trouble> {
    Ok(())
}

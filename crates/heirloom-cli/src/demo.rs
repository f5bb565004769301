//! Tries everything out: phone, laptop and keeper as three real nodes on this
//! machine, with sample records, an offline conflict and a lost phone.
//!
//! It uses nothing but the commands of this program, each in a process of its
//! own, so whatever it shows can be repeated by hand.

mod device;
mod process;
mod sample;
mod step;
mod story;

use crate::arguments::DemoArguments;
use crate::exit::{self, Trouble};
use crate::screen::Screen;
use process::Pulse;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use step::Teller;
use story::Story;

/// Carries out `demo`.
pub(crate) fn run(arguments: DemoArguments, screen: &mut Screen) -> Result<(), Trouble> {
    let interrupted = Arc::new(AtomicBool::new(false));
    tokio::spawn(listen(Arc::clone(&interrupted)));
    let scene = Scene::open(arguments.keep)?;
    let program = std::env::current_exe()
        .map_err(|error| exit::system("cannot find this program", &error))?;
    let told = tokio::task::block_in_place(|| {
        let pulse = Pulse::new(interrupted);
        let teller = Teller::new(screen, pulse.clone());
        Story::new(program, &scene.folder, pulse, teller).tell()
    });
    match told {
        Ok(()) => screen.next("up"),
        Err(trouble) => Err(trouble),
    }
}

/// Remembers that the demo was interrupted, so that it ends its nodes first.
async fn listen(interrupted: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    interrupted.store(true, Ordering::Relaxed);
}

/// The folder in which the demo plays; removed at its end unless it is kept.
#[derive(Debug)]
struct Scene {
    folder: PathBuf,
    kept: bool,
}

impl Scene {
    fn open(keep: Option<PathBuf>) -> Result<Self, Trouble> {
        let kept = keep.is_some();
        let folder = match keep {
            Some(folder) => fresh_folder(&folder),
            None => temporary_folder(),
        };
        let folder =
            folder.map_err(|error| exit::system("cannot make the demo's folder", &error))?;
        Ok(Self { folder, kept })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            crate::screen::remark(format_args!(
                "The folder {} is left: {error}",
                self.folder.display()
            ));
        }
    }
}

/// Makes the folder that is kept; it must be empty.
fn fresh_folder(folder: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        let text = format!("the folder {} is not empty", folder.display());
        return Err(std::io::Error::other(text));
    }
    folder.canonicalize()
}

fn temporary_folder() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let name = format!("heirloom-demo-{}", heirloom_base::id::to_hex(&random));
    let folder = std::env::temp_dir().canonicalize()?.join(name);
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_removed_unless_it_is_kept() {
        let scene = Scene::open(None).unwrap();
        let folder = scene.folder.clone();
        fs::write(folder.join("x"), "x").unwrap();
        drop(scene);
        assert!(!folder.exists());
        let outer = tempfile::tempdir().unwrap();
        let scene = Scene::open(Some(outer.path().join("kept"))).unwrap();
        let folder = scene.folder.clone();
        drop(scene);
        assert!(folder.exists());
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_played_in() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("mine"), "x").unwrap();
        assert!(Scene::open(Some(outer.path().to_owned())).is_err());
        assert!(outer.path().join("mine").exists());
    }
}

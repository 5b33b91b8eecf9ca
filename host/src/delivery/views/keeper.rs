//! Keeps the view of one plugin: begins a generation when the plugin's recipe asks for one, has it fed, and switches to it once
//! it has caught up.
//!
//! **Invariant:** what is read is one generation, whole, until one step makes it another; a generation that is being built is
//! never read.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::agenda::Draft;
use super::catalog::{self, Catalog, Made};
use super::feeder::Feeder;
use super::folder::Folder;
use super::generation::{Generation, ViewState};
use crate::engine::Engine;
use crate::model::limits::SWITCH_LAG_MAX;
use crate::model::{PluginName, Position};
use crate::storage::StorageError;
use crate::storage::views::{self, ViewCommit};

/// Wait after a failure of the disk.
const A_WHILE: Duration = Duration::from_secs(1);

/// What readers see of a view.
#[derive(Default)]
pub struct Faces {
    pub live: Option<Arc<Generation>>,
    pub building: Option<Arc<Generation>>,
    pub kept: Option<Made>,
    pub folder: Option<Folder>,
    /// Why there is nothing to read, if there should be.
    pub failure: Option<String>,
}

/// A view as others hold it.
pub struct Keeping {
    pub name: PluginName,
    faces: RwLock<Faces>,
    /// Changes when what is read may have become another generation.
    switched: watch::Sender<u64>,
    asks: mpsc::Sender<Ask>,
}

/// What somebody asks of a keeper.
pub enum Ask {
    Rebuild(oneshot::Sender<Result<(), String>>),
    RollBack(oneshot::Sender<Result<(), String>>),
}

impl Keeping {
    pub fn look<T>(&self, look: impl FnOnce(&Faces) -> T) -> T {
        look(&self.faces.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn live(&self) -> Option<Arc<Generation>> {
        self.look(|faces| faces.live.clone())
    }

    pub fn switched(&self) -> watch::Receiver<u64> {
        self.switched.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Faces)) {
        change(&mut self.faces.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub async fn ask(&self, ask: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Ask) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let gone = "the server stops".to_owned();
        if self.asks.send(ask(answer)).await.is_err() {
            return Err(gone);
        }
        answered.await.unwrap_or(Err(gone))
    }
}

pub struct Keeper {
    engine: Arc<Engine>,
    keeping: Arc<Keeping>,
    dir: PathBuf,
    asks: mpsc::Receiver<Ask>,
    stop: watch::Receiver<bool>,
    catalog: Catalog,
    live: Option<Fed>,
    building: Option<Fed>,
}

/// A generation with the task that feeds it.
struct Fed {
    generation: Arc<Generation>,
    folder: watch::Sender<Option<Folder>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Fed {
    fn start(
        engine: &Arc<Engine>,
        generation: Arc<Generation>,
        folder: Option<Folder>,
        behind: Option<Arc<Generation>>,
    ) -> Self {
        let (folder, folders) = watch::channel(folder);
        let (stop, stopped) = watch::channel(false);
        let (engine, of) = (engine.clone(), generation.clone());
        let feeder = Feeder { engine, generation: of, folder: folders, stop: stopped, behind };
        Self { generation, folder, stop, task: tokio::spawn(feeder.run()) }
    }

    /// Gives it another folder, if it is another.
    fn give(&self, folder: Option<&Folder>) {
        self.folder.send_if_modified(|given| {
            let same = match (&*given, folder) {
                (None, None) => true,
                (Some(given), Some(folder)) => given.is(folder),
                _ => false,
            };
            if !same {
                *given = folder.cloned();
            }
            !same
        });
    }

    /// Stops it, after what it does has ended and is committed.
    async fn end(self) -> Rested {
        self.stop.send_replace(true);
        // A panic in it was reported when it happened.
        let _ = self.task.await;
        let folder = self.folder.borrow().clone();
        Rested { generation: self.generation, folder }
    }
}

/// A generation that stands still, and who fed it.
struct Rested {
    generation: Arc<Generation>,
    folder: Option<Folder>,
}

impl Rested {
    fn go_on(self, engine: &Arc<Engine>) -> Fed {
        Fed::start(engine, self.generation, self.folder, None)
    }

    /// What a process manager asked for, and was not done when it stopped, is taken over; what was done is not asked for again.
    fn adopt(&self, before: &Generation, now_ms: u64) -> Result<(), StorageError> {
        if !self.generation.made.manager {
            return Ok(());
        }
        let shown = self.generation.view.shown();
        let mut draft = Draft::new(&shown);
        draft.adopt(&before.view.shown(), before.reached(), now_ms)?;
        let (notes, checkpoint) = (draft.notes().collect(), shown.checkpoint);
        self.generation.commit(&ViewCommit { notes, checkpoint, durable: true, ..ViewCommit::default() })?;
        Ok(())
    }
}

impl Keeper {
    pub fn new(
        engine: Arc<Engine>,
        name: PluginName,
        dir: PathBuf,
        stop: watch::Receiver<bool>,
    ) -> (Self, Arc<Keeping>) {
        let (asks, asked) = mpsc::channel(8);
        let keeping = Keeping { name, faces: RwLock::default(), switched: watch::Sender::new(0), asks };
        let keeping = Arc::new(keeping);
        let (catalog, live, building) = (Catalog::default(), None, None);
        (Self { engine, keeping: keeping.clone(), dir, asks: asked, stop, catalog, live, building }, keeping)
    }

    pub async fn run(mut self) {
        let mut plugins = self.engine.plugins().changes();
        while let Err(error) = self.begin().await {
            self.failed(error.to_string()).await;
            if *self.stop.borrow() {
                return;
            }
        }
        while !*self.stop.borrow() {
            plugins.mark_unchanged();
            if let Err(error) = self.settle().await {
                self.failed(error.to_string()).await;
                continue;
            }
            let mut built = self.building.as_ref().map(|fed| fed.generation.watch());
            let grown = async {
                match &mut built {
                    Some(built) => drop(built.changed().await),
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                _ = plugins.changed() => None,
                _ = self.stop.wait_for(|stop| *stop) => None,
                ask = self.asks.recv() => ask,
                () = grown => None,
            };
            if let Some(ask) = asked {
                self.answer(ask).await;
            }
        }
        for fed in [self.live.take(), self.building.take()].into_iter().flatten() {
            fed.end().await;
        }
    }

    /// Opens what there was before the last stop.
    async fn begin(&mut self) -> Result<(), StorageError> {
        self.catalog = Catalog::load(&*self.engine.default_store().records, &self.keeping.name).await?;
        let swept = catalog::sweep(&self.dir, &self.catalog);
        swept.map_err(|error| StorageError::Io { what: self.dir.display().to_string(), detail: error.to_string() })?;
        self.live = self.catalog.live.clone().map(|made| self.feed(made, None, None)).transpose()?;
        let building = self.catalog.building.clone().map(|made| self.feed_beside(made, None)).transpose()?;
        self.building = building;
        self.show();
        Ok(())
    }

    fn feed(&self, made: Made, folder: Option<Folder>, behind: Option<Arc<Generation>>) -> Result<Fed, StorageError> {
        Ok(Fed::start(&self.engine, Arc::new(Generation::open(&self.dir, made)?), folder, behind))
    }

    /// Feeds one that is being built. A process manager's stays behind the one that is live.
    fn feed_beside(&self, made: Made, folder: Option<Folder>) -> Result<Fed, StorageError> {
        let live = self.live_beside(&made);
        self.feed(made, folder, live)
    }

    /// What one that is being built must not get ahead of.
    fn live_beside(&self, made: &Made) -> Option<Arc<Generation>> {
        self.live.as_ref().filter(|_| made.manager).map(|fed| fed.generation.clone())
    }

    /// Shows readers what there is now.
    fn show(&self) {
        let (live, building) = (self.live.as_ref(), self.building.as_ref());
        self.keeping.change(|faces| {
            faces.live = live.map(|fed| fed.generation.clone());
            faces.building = building.map(|fed| fed.generation.clone());
            faces.kept.clone_from(&self.catalog.kept);
            faces.failure = None;
        });
        self.keeping.switched.send_modify(|count| *count += 1);
    }

    async fn failed(&self, reason: String) {
        tracing::error!(view = %self.keeping.name, reason, "a view cannot be kept for now");
        self.keeping.change(|faces| faces.failure = Some(reason));
        tokio::time::sleep(A_WHILE).await;
    }

    /// Brings the generations in line with the plugin that serves.
    async fn settle(&mut self) -> Result<(), StorageError> {
        let folder = Folder::serving(self.engine.plugins(), self.keeping.name.as_str());
        self.keeping.change(|faces| faces.folder.clone_from(&folder));
        let Some(folder) = folder else {
            self.live.iter().chain(&self.building).for_each(|fed| fed.give(None));
            return Ok(());
        };
        // A file of the same name may be a plugin of another kind.
        let made_by = |made: &Made| made.recipe == folder.recipe() && made.manager == folder.is_manager();
        let is_of = |fed: &Option<Fed>| fed.as_ref().is_some_and(|fed| made_by(&fed.generation.made));
        if is_of(&self.live) {
            self.live.iter().for_each(|fed| fed.give(Some(&folder)));
            match is_of(&self.building) {
                true => self.building.iter().for_each(|fed| fed.give(Some(&folder))),
                // The way there was given up.
                false => self.drop_building().await?,
            }
        } else if self.live.is_none() {
            self.begin_live(&folder).await?;
        } else if self.catalog.kept.as_ref().is_some_and(made_by) {
            self.go_back(Some(folder)).await?;
        } else if is_of(&self.building) {
            self.building.iter().for_each(|fed| fed.give(Some(&folder)));
        } else {
            self.begin_building(&folder).await?;
        }
        self.switch().await
    }

    async fn store(&self, catalog: &Catalog) -> Result<(), StorageError> {
        let records = self.engine.default_store().records.clone();
        let stored = catalog.store(&*records, &self.keeping.name).await;
        stored.map_err(|detail| StorageError::Io { what: "noting a view's generations".into(), detail })
    }

    /// The first generation is read while it catches up: there is none before it.
    async fn begin_live(&mut self, folder: &Folder) -> Result<(), StorageError> {
        let mut catalog = self.catalog.clone();
        let made = catalog.begin(folder, self.engine.now_ms());
        catalog.live = Some(made.clone());
        self.store(&catalog).await?;
        self.catalog = catalog;
        self.live = Some(self.feed(made, Some(folder.clone()), None)?);
        self.show();
        Ok(())
    }

    async fn begin_building(&mut self, folder: &Folder) -> Result<(), StorageError> {
        self.drop_building().await?;
        let mut catalog = self.catalog.clone();
        let made = catalog.begin(folder, self.engine.now_ms());
        catalog.building = Some(made.clone());
        self.store(&catalog).await?;
        self.catalog = catalog;
        tracing::info!(view = %self.keeping.name, generation = made.number, "a view is built anew, beside the one that is read");
        self.building = Some(self.feed_beside(made, Some(folder.clone()))?);
        self.show();
        Ok(())
    }

    /// A process manager's generation before must first see what happened since, without asking for it again.
    async fn build_on(&mut self, kept: Made, folder: Option<Folder>) -> Result<(), StorageError> {
        let catalog = Catalog { building: Some(kept.clone()), kept: None, ..self.catalog.clone() };
        self.store(&catalog).await?;
        self.catalog = catalog;
        self.building = Some(self.feed_beside(kept, folder)?);
        self.show();
        Ok(())
    }

    async fn drop_building(&mut self) -> Result<(), StorageError> {
        let Some(fed) = self.building.take() else { return Ok(()) };
        let number = fed.end().await.generation.made.number;
        let catalog = Catalog { building: None, ..self.catalog.clone() };
        self.store(&catalog).await?;
        self.catalog = catalog;
        self.show();
        views::remove(&catalog::file(&self.dir, number))
    }

    /// Makes the one that was built the one that is read, if it has caught up.
    async fn switch(&mut self) -> Result<(), StorageError> {
        let head = *self.engine.default_store().log.head().borrow();
        // A process manager's stays behind the one that is live.
        let goal = self.live.as_ref().map_or(head, |fed| fed.generation.reached().min(head));
        let goal = if self.building.as_ref().is_some_and(|fed| fed.generation.made.manager) { goal } else { head };
        // One that is held up would only keep the live one waiting.
        let near = |fed: &Fed| {
            fed.generation.reached() + SWITCH_LAG_MAX >= goal && fed.generation.standing().state == ViewState::Running
        };
        if !self.building.as_ref().is_some_and(near) {
            return Ok(());
        }
        let (Some(live), Some(building)) = (self.live.take(), self.building.take()) else { return Ok(()) };
        // It stands still from here on, so that no reader sees a position go back.
        let before = live.end().await;
        let wanted = before.generation.reached();
        if !reaches(&building.generation, wanted, &mut self.stop).await {
            // The server stops, or what is built is held up: everything stays as it was.
            self.live = Some(before.go_on(&self.engine));
            self.building = Some(building);
            return Ok(());
        }
        let number = building.generation.made.number;
        let next = building.end().await;
        self.become_live(next, before).await?;
        tracing::info!(view = %self.keeping.name, generation = number, "the view that was built is the one that is read");
        Ok(())
    }

    /// One commit, and one step for readers. What was live is kept, and what was kept is let go of.
    async fn become_live(&mut self, next: Rested, before: Rested) -> Result<(), StorageError> {
        let made = next.generation.made.clone();
        let gone = self.catalog.kept.clone().filter(|kept| kept.number != made.number);
        let was_building = self.catalog.building.as_ref().is_some_and(|building| building.number == made.number);
        let mut catalog = self.catalog.clone();
        catalog.building = catalog.building.filter(|_| !was_building);
        catalog.kept = Some(before.generation.made.clone());
        catalog.live = Some(made.clone());
        let stored = match next.adopt(&before.generation, self.engine.now_ms()) {
            Ok(()) => self.store(&catalog).await,
            failed => failed,
        };
        if let Err(error) = stored {
            self.live = Some(before.go_on(&self.engine));
            if was_building {
                let live = self.live_beside(&made);
                self.building = Some(Fed::start(&self.engine, next.generation, next.folder, live));
            }
            self.show();
            return Err(error);
        }
        self.catalog = catalog;
        self.live = Some(next.go_on(&self.engine));
        self.show();
        gone.map_or(Ok(()), |gone| views::remove(&catalog::file(&self.dir, gone.number)))
    }

    /// Makes the generation before the one that is read again.
    async fn go_back(&mut self, folder: Option<Folder>) -> Result<(), StorageError> {
        let Some(kept) = self.catalog.kept.clone() else { return Ok(()) };
        self.drop_building().await?;
        if kept.manager {
            return self.build_on(kept, folder).await;
        }
        let generation = Arc::new(Generation::open(&self.dir, kept)?);
        let Some(live) = self.live.take() else { return Ok(()) };
        let before = live.end().await;
        let next = Rested { generation, folder };
        tracing::info!(view = %self.keeping.name, generation = next.generation.made.number, "back to the view before");
        self.become_live(next, before).await
    }

    async fn answer(&mut self, ask: Ask) {
        let folder = Folder::serving(self.engine.plugins(), self.keeping.name.as_str());
        let said = |done: Result<(), StorageError>| done.map_err(|error| error.to_string());
        match ask {
            Ask::Rebuild(answer) => {
                let done = match (&self.building, &folder) {
                    (Some(_), _) => Ok(()),
                    (None, None) => Err(format!("plugin '{}' is not active; see GET /plugins", self.keeping.name)),
                    (None, Some(folder)) => said(self.begin_building(folder).await),
                };
                let _ = answer.send(done);
            }
            Ask::RollBack(answer) => {
                let recipe = folder.as_ref().map(Folder::recipe);
                let done = match &self.catalog.kept {
                    None => Err(format!("the view of '{}' has no generation to go back to", self.keeping.name)),
                    Some(kept) if Some(&kept.recipe) != recipe.as_ref() => Err(format!(
                        "the view before was made by version {} of the plugin; roll that back: POST /plugins/{}/rollback",
                        kept.version, self.keeping.name
                    )),
                    Some(_) => said(self.go_back(folder).await),
                };
                let _ = answer.send(done);
            }
        }
    }
}

/// Waits until a generation has reached a position; false when it won't soon.
async fn reaches(generation: &Generation, position: Position, stop: &mut watch::Receiver<bool>) -> bool {
    let mut reached = generation.watch();
    tokio::select! {
        reached = reached.wait_for(|reached| *reached >= position) => reached.is_ok(),
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(A_WHILE) => false,
    }
}

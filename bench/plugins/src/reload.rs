//! From a file that appears in the plugin directory to the first answer of its generation, with the settings of a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use weir::model::{Event, StreamName, TopicName};
use weir::plugin::{MemoryView, PluginId, Plugins, PluginsConfig, Rehearsal, TopicSetting};
use weir_bench::Failure;

use crate::report::Reloads;
use crate::{NoNetwork, sample};

/// A first compile of the biggest plugin, on a machine that does other things too.
const TAKEN_MAX: Duration = Duration::from_secs(300);

/// A store with some recent events, for new generations to be tried on.
struct Recent;

#[async_trait]
impl Rehearsal for Recent {
    fn settings(&self) -> Vec<Arc<TopicSetting>> {
        Vec::new()
    }

    fn topics(&self) -> Vec<TopicName> {
        TopicName::parse(sample::TOPIC).into_iter().collect()
    }

    async fn recent(&self, topic: &TopicName, limit: usize) -> Vec<Event> {
        let mut events = sample::events(limit).unwrap_or_default();
        events.retain(|event| event.topic == *topic);
        events
    }

    async fn stream(&self, _: &TopicName, _: &StreamName, _: usize) -> Vec<Event> {
        Vec::new()
    }
}

/// Files that were never seen, and after that files that were compiled before.
pub async fn measure(name: &str, bytes: Vec<u8>, times: usize) -> Result<Reloads, Failure> {
    let dir = tempfile::tempdir()?;
    let config = PluginsConfig::new(dir.path().join("plugins"), dir.path().join("cache"));
    let file = config.dir.join(format!("{name}.wasm"));
    let plugins = Plugins::new(config, Arc::new(NoNetwork))?;
    plugins.start(Arc::new(Recent)).await;
    let mut reloads = Reloads::default();
    for number in 0..times {
        reloads.new_ms.push(one(&plugins, name, &file, &marked(&bytes, number)).await?);
    }
    for number in 0..times {
        reloads.cached_ms.push(one(&plugins, name, &file, &marked(&bytes, number)).await?);
    }
    plugins.stop().await;
    Ok(reloads)
}

/// The same code with a custom section at its end, and so a digest of its own.
fn marked(bytes: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.extend_from_slice(b"\x00\x0d\x04mark");
    bytes.extend_from_slice(&(number as u64).to_le_bytes());
    bytes
}

async fn one(plugins: &Plugins, name: &str, file: &std::path::Path, bytes: &[u8]) -> Result<f64, Failure> {
    let before = answer(plugins, name).await?;
    let dropped = Instant::now();
    std::fs::write(file, bytes)?;
    loop {
        let now = answer(plugins, name).await?;
        if now.is_some() && now != before {
            return Ok(dropped.elapsed().as_secs_f64() * 1e3);
        }
        if dropped.elapsed() > TAKEN_MAX {
            return Err(format!("{name} was not taken: {:?}", plugins.status(name)).into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Who answers a call now, if anybody does.
async fn answer(plugins: &Plugins, name: &str) -> Result<Option<PluginId>, Failure> {
    if let Some(validator) = plugins.validator(name) {
        let events = sample::new_events(1)?;
        validator.validate(&[], &events.iter().collect::<Vec<_>>()).await?;
        return Ok(Some(validator.id().clone()));
    }
    if let Some(projection) = plugins.projection(name) {
        let applied = projection.apply(Arc::new(MemoryView::default()), &sample::events(1)?).await?;
        applied.map_err(|refusal| format!("refused: {}", refusal.message))?;
        return Ok(Some(projection.id().clone()));
    }
    Ok(None)
}

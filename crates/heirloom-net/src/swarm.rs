//! placeholder
use crate::config::{NetworkConfig, Timing};
use crate::error::StartError;
use crate::event::NetworkEvents;
use crate::network::Network;
pub(crate) async fn start(
    _config: NetworkConfig,
    _timing: Timing,
) -> Result<(Network, NetworkEvents), StartError> {
    Err(StartError::Encryption { reason: "not built yet".to_owned() })
}

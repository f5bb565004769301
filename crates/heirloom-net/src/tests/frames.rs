use super::*;
use crate::SendError;
use crate::protocol::Protocol;
use heirloom_base::limits::FRAME_BYTES_MAX;

const FRAMES: u32 = 10_000;

async fn send_all(network: &Network, to: DeviceId) {
    for number in 0..FRAMES {
        let mut frame = number.to_le_bytes().to_vec();
        frame.resize(4 + number as usize % 2_000, number as u8);
        network.send_when_free(to, frame).await.unwrap();
    }
}

async fn receive_all(node: &mut Node) {
    for number in 0..FRAMES {
        let frame = node.frame().await;
        assert_eq!(frame[..4], number.to_le_bytes());
        assert_eq!(frame.len(), 4 + number as usize % 2_000);
    }
}

#[tokio::test]
async fn ten_thousand_frames_cross_in_both_directions_at_once_in_order() {
    let (mut lower, mut higher) = pair().await;
    let (to_higher, to_lower) = (lower.network.clone(), higher.network.clone());
    let (lower_id, higher_id) = (lower.id(), higher.id());
    soon("all frames", async {
        tokio::join!(
            send_all(&to_higher, higher_id),
            send_all(&to_lower, lower_id),
            receive_all(&mut lower),
            receive_all(&mut higher),
        )
    })
    .await;
    let counted = lower.network.counters().peers[&higher_id].conversations[&Protocol::Sync];
    assert!(counted.sent > 10_000_000 && counted.received > 10_000_000, "{counted:?}");
}

#[tokio::test]
async fn a_host_that_does_not_read_fills_the_queue_of_the_other_side_and_loses_nothing() {
    let (lower, mut higher) = pair().await;
    let frame = |number: u32| [number.to_le_bytes().to_vec(), vec![0; 100_000]].concat();
    let mut sent = 0;
    let full = async {
        loop {
            match lower.network.send(higher.id(), frame(sent)) {
                Ok(()) => sent += 1,
                Err(SendError::Full(back)) if sent > 200 => return back,
                Err(SendError::Full(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    assert_eq!(soon("a full queue", full).await[..4], sent.to_le_bytes());
    for number in 0..sent {
        assert_eq!(higher.frame().await[..4], number.to_le_bytes());
    }
}

#[tokio::test]
async fn a_frame_of_the_greatest_length_passes_and_a_longer_one_is_not_sent() {
    let (mut lower, higher) = pair().await;
    let length = FRAME_BYTES_MAX + 1;
    let refused = higher.network.send(lower.id(), vec![7; length]);
    assert_eq!(refused, Err(SendError::BadLength { length }));
    higher.network.send(lower.id(), vec![7; FRAME_BYTES_MAX]).unwrap();
    assert_eq!(lower.frame().await.len(), FRAME_BYTES_MAX);
}

#[tokio::test]
async fn a_member_that_claims_too_long_a_frame_is_disconnected() {
    let (lower, mut higher) = pair().await;
    let link = lower.network.shared.links.get(higher.id()).unwrap();
    link.push_unchecked(vec![0; FRAME_BYTES_MAX + 1]).await;
    let told = |event| match event {
        NetworkEvent::Broke { device, what } => Some((device, what)),
        _ => None,
    };
    let broke = higher.until("it is told", told).await;
    assert_eq!(broke, (lower.id(), "a frame that is longer than one may be"));
    assert_eq!(higher.disconnected().await, lower.id());
}

#[tokio::test]
async fn what_was_queued_before_a_shutdown_arrives() {
    let (lower, mut higher) = pair().await;
    for number in 0..50_u8 {
        lower.network.send(higher.id(), vec![number; 50_000]).unwrap();
    }
    let stopping = lower.network.shutdown();
    let receive = async {
        for number in 0..50_u8 {
            assert_eq!(higher.frame().await[0], number);
        }
        higher.disconnected().await
    };
    let ((), gone) = tokio::join!(stopping, receive);
    assert_eq!(gone, lower.id());
    assert!(lower.network.send(higher.id(), vec![1]).is_err());
}

#[tokio::test]
async fn without_a_sync_stream_nothing_can_be_sent() {
    let node = Node::start(1).await;
    assert_eq!(node.network.send(device(2), vec![1]), Err(SendError::Gone));
}

/*
 * peers.h: nodehost.peers/1, messages between nodes.
 *
 * Peers are the nodes of the manifest's cluster section, joined by one authenticated connection a
 * pair. A message goes to the role of a name on a node and comes out in its on_message; one for a
 * role that is not there, or does not need this service, is dropped. Delivery is at most once, and
 * in order among messages of one priority while the link stays up; what was in flight when it broke
 * is lost, and so is what comes for a role that has more waiting than it may and does not get on.
 * Links report NH_EVENT_LINK_UP and NH_EVENT_LINK_DOWN to every role that needs this service: what
 * is up already when it starts, is_up tells; changes from then on come as events. A node may send to
 * itself; that needs no link.
 */
#ifndef NODEHOST_PEERS_H
#define NODEHOST_PEERS_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_PEERS_ID "nodehost.peers/1"

/** Goes ahead of everything: elections, heartbeats, votes. */
#define NH_PEER_URGENT 0u
#define NH_PEER_NORMAL 1u
/** Waits for all others: state transfer, model weights. */
#define NH_PEER_BULK 2u

typedef struct nh_peers_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Sends `payload` (up to 16 MiB, copied) to the role `role` (empty: the role of the same name) on
   * the node with id `node`. NH_UNAVAILABLE: the link is down. NH_RESOURCE_EXHAUSTED: its queue is
   * full; each priority has one of 32 MiB and 65,536 messages. NH_NOT_FOUND: no such node. NH_OK
   * promises nothing but that it was queued.
   * [loop & (starting | running)]
   */
  nh_status (*send)(void *NH_NULLABLE ctx, uint32_t node, nh_str role, uint32_t channel,
                    uint32_t priority, nh_bytes payload);
  /** The nodes of the cluster as a JSON array of {id, name, address, self, up, since_ms}. The name
   * is empty until the node has been linked once; since_ms is when it came up or went down, on the
   * wall clock.
   * [loop & (starting | running)] */
  nh_status (*nodes)(void *NH_NULLABLE ctx, const nh_sink *json);
  /** 1 if the link to `node` is up or it is this node, 0 if it is down or there is no such node.
   * [loop & (starting | running)] */
  uint32_t (*is_up)(void *NH_NULLABLE ctx, uint32_t node);
} nh_peers_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

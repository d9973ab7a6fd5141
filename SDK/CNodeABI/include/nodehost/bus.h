/*
 * bus.h: nodehost.bus/1, topics inside the node.
 *
 * Topics are words with dots: "gateway.leader". Delivery is asynchronous, in order per publisher,
 * to the subscribers of the moment; nothing is kept. A subscriber whose queue is full misses the
 * event: the host counts it, and the gap shows in nh_event.sequence.
 *
 * The host itself publishes on "nodehost.started", with an empty source, when a role of the node has
 * been started, anew too, or another build of it has taken over: {"name", "role", "provides"} in JSON.
 * The event is in its subscribers' queues before anybody can call that role.
 *
 * Across a swap: a topic that the new build's start subscribes to again is the same subscription,
 * with its handle and the new token, and no event is lost. The old build's others end with it.
 */
#ifndef NODEHOST_BUS_H
#define NODEHOST_BUS_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_BUS_ID "nodehost.bus/1"

typedef struct nh_bus_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Hands `payload` to every subscriber; it is copied before the function returns. Up to 1 MiB. A
   * topic that the plugin did not declare in nh_plugin.topics is NH_PERMISSION_DENIED.
   * [loop & (starting | running)]
   */
  nh_status (*publish)(void *NH_NULLABLE ctx, nh_str topic, nh_bytes payload);
  /**
   * Events of a topic come as NH_EVENT_TOPIC with `token`. A last word "*" stands for all topics
   * that begin so: "gateway.*". 0 if the limit of 256 subscriptions a role is reached or the topic
   * is no topic. [loop & (starting | running)]
   */
  nh_handle (*subscribe)(void *NH_NULLABLE ctx, nh_str topic, uint64_t token);
  /** Ends a subscription. [loop & (starting | running)] */
  nh_status (*unsubscribe)(void *NH_NULLABLE ctx, nh_handle subscription);
} nh_bus_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

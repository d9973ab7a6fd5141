/*
 * host.h: what the host gives each role.
 *
 * One nh_host belongs to one role instance and is valid from create until destroy returns. All that
 * is not here is a service, fetched once by id: in start, not in create, because creating has no
 * side effects and the same create serves to check a configuration.
 */
#ifndef NODEHOST_HOST_H
#define NODEHOST_HOST_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

/** For whoever debugs the role. */
#define NH_LOG_TRACE 0u
#define NH_LOG_DEBUG 1u
/** For whoever runs the node: rare events of interest. */
#define NH_LOG_INFO 2u
/** Something is off, and the role goes on without help. */
#define NH_LOG_WARNING 3u
/** Something failed that somebody must look at. */
#define NH_LOG_ERROR 4u
/** The plugin broke this header's contract; the host writes it, a plugin need not. */
#define NH_LOG_MISUSE 5u

/** Never goes back, starts anywhere; for durations and deadlines. */
#define NH_CLOCK_MONOTONIC 0u
/** Time since 1970-01-01 UTC; may jump. For what a person reads. */
#define NH_CLOCK_WALL 1u

typedef struct nh_host {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** The role's name in the manifest, the node's name, and the node's id. */
  nh_str role_name;
  nh_str node_name;
  uint32_t node_id;
  uint32_t reserved;
  /**
   * The table of a service, valid until destroy returns, or null if the host does not offer `id`
   * or offers it with another layout. `layout` is the NH_..._LAYOUT constant beside the id.
   * [loop & (starting | running)]
   */
  const void *NH_NULLABLE (*NH_NONNULL get_service)(const struct nh_host *host, nh_str id,
                                                    uint64_t layout);
  /**
   * Writes a log line. `level` is an NH_LOG_ constant; `fields` is empty or a JSON object that goes
   * with the line. A message over the limit of 8 KiB is cut, and such fields are left out. [any]
   */
  void (*log)(const struct nh_host *host, uint32_t level, nh_str message, nh_json fields);
  /**
   * Says that the role cannot go on. The host stops and destroys it, and starts it again if the
   * manifest says so; other roles go on. Returns at once; no callback but stop comes afterwards.
   * [any & (starting | running)]
   */
  void (*fail)(const struct nh_host *host, nh_status code, nh_str message);
  /**
   * The time of an NH_CLOCK_ in nanoseconds; virtual in a simulation. This is the only clock a role
   * may read. [any & !creating]
   */
  int64_t (*now)(const struct nh_host *host, uint32_t clock);
  /** 1 on the role's loop, 2 on a thread of the CPU pool, 0 elsewhere. [any] */
  uint32_t (*check_thread)(const struct nh_host *host);
} nh_host;

NH_HEADER_END
NH_EXTERN_C_END

#endif

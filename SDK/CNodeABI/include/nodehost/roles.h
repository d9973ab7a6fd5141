/*
 * roles.h: nodehost.roles/1, calls of other roles' methods.
 *
 * Always asynchronous, always with a deadline, and valid across a swap of the other side: a role
 * never holds another's function pointer. A swap of the calling side waits for its open calls, up to
 * the limit swap_ms; those that are open then end with NH_CANCELLED.
 */
#ifndef NODEHOST_ROLES_H
#define NODEHOST_ROLES_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_ROLES_ID "nodehost.roles/1"

typedef struct nh_roles_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Calls `method` of `target`, a role's name or an id that a role provides, on `node` (a node's
   * name; empty is this one). The arguments are checked against the method's signature and copied
   * before the function returns. The outcome comes as one on_reply with `token`, also when the call
   * could not be sent. `timeout_ns` counts from now; 0 takes the manifest's default.
   * At most 4,096 open calls a role. 0 if that limit is reached. [loop & (starting | running)]
   */
  nh_handle (*call)(void *NH_NULLABLE ctx, nh_str target, nh_str node, nh_str method,
                    nh_value_list arguments, int64_t timeout_ns, uint64_t token);
  /** Gives an open call up; its on_reply comes with NH_CANCELLED. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle call);
  /** The roles of this node as a JSON array of {name, role, state, provides, methods}.
   * [loop & (starting | running)] */
  nh_status (*list)(void *NH_NULLABLE ctx, const nh_sink *json);
} nh_roles_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

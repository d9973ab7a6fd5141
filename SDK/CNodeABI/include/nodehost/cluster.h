/*
 * cluster.h: nodehost.cluster/1, keys that the whole cluster shares.
 *
 * Linearizable writes, leases, compare-and-set and watches: embedded on the nodes' own stores, or on
 * an etcd that the manifest names. Keys are text, values bytes up to 1 MiB. Every change has a
 * revision that only grows; the revision of a key is that of its last change.
 */
#ifndef NODEHOST_CLUSTER_H
#define NODEHOST_CLUSTER_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_CLUSTER_ID "nodehost.cluster/1"

/** For nh_cluster_service.put: whatever the key's revision is. */
#define NH_CLUSTER_ANY_REVISION UINT64_MAX

typedef struct nh_cluster_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Sets `key` if its revision is `expected` (0: it must not exist). `lease` (0: none) takes the key
   * with it when it ends. on_reply: the new revision, or NH_ABORTED with the value that stands there.
   * [loop & (starting | running)] */
  nh_handle (*put)(void *NH_NULLABLE ctx, nh_str key, nh_bytes value, uint64_t expected,
                   nh_handle lease, uint64_t token);
  /** Removes `key` if its revision is `expected`. [loop & (starting | running)] */
  nh_handle (*remove)(void *NH_NULLABLE ctx, nh_str key, uint64_t expected, uint64_t token);
  /** The value and revision of `key`, as of now, or NH_NOT_FOUND. [loop & (starting | running)] */
  nh_handle (*get)(void *NH_NULLABLE ctx, nh_str key, uint64_t token);
  /** All keys with `prefix`: one on_reply each with NH_REPLY_MORE, then one without.
   * [loop & (starting | running)] */
  nh_handle (*list)(void *NH_NULLABLE ctx, nh_str prefix, uint64_t token);
  /** Every change of a key with `prefix` after `revision`, in order, none twice, with NH_REPLY_MORE;
   * a removed key comes as a v value. Ends with NH_OUT_OF_RANGE if `revision` is too old: list, and
   * watch again. [loop & (starting | running)] */
  nh_handle (*watch)(void *NH_NULLABLE ctx, nh_str prefix, uint64_t revision, uint64_t token);
  /** Ends a watch or a list. [loop & (starting | running)] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle request);
  /** A lease that the host keeps alive while the role runs and the cluster is reachable. It ends
   * `ttl_ns` after the last time it could be renewed; on_reply comes with NH_REPLY_MORE once it holds
   * and without when it has ended. [loop & (starting | running)] */
  nh_handle (*lease)(void *NH_NULLABLE ctx, int64_t ttl_ns, uint64_t token);
  /** Ends a lease and its keys now. [loop & (starting | running | stopping)] */
  nh_status (*release)(void *NH_NULLABLE ctx, nh_handle lease);
} nh_cluster_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

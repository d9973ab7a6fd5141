/*
 * store.h: nodehost.store/1, a durable key-value store of the role's own.
 *
 * Keys are bytes, in order, up to 1 KiB; values up to 16 MiB. A commit is a list of operations that
 * happen all or none. Its on_reply with NH_OK comes when it is on disk, synced; commits that wait
 * together share one sync. Reads see every commit that was answered before they were asked, and those
 * of the same role that were asked before them.
 *
 * The store belongs to the role's name, not to a build: it stays through swaps, restarts and kills. A
 * swap waits for what is open, up to the limit swap_ms; then reads end with NH_CANCELLED, and commits
 * with NH_DEADLINE_EXCEEDED, since they may still happen: what the next build reads tells. Commits that
 * wait when the role ends are done, and nobody is told. What save writes may be older than the store,
 * since a kill may come between: where both tell of the same thing, believe the store.
 */
#ifndef NODEHOST_STORE_H
#define NODEHOST_STORE_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_STORE_ID "nodehost.store/1"

#define NH_STORE_PUT 1u
#define NH_STORE_DELETE 2u
/** The commit happens only if the key's revision before it is `revision` (0: the key does not exist). A
 * revision is never used twice, also if the key was deleted meanwhile. */
#define NH_STORE_EXPECT 3u

typedef struct nh_store_operation {
  uint32_t kind;
  uint32_t reserved;
  nh_bytes key;
  nh_bytes value;
  uint64_t revision;
} nh_store_operation;

typedef struct nh_store_operation_list {
  const nh_store_operation *NH_NULLABLE items;
  uint64_t count;
} nh_store_operation_list;

typedef struct nh_store_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Does all operations or none; copied before the function returns. The reply has the commit's
   * revision in revision_number. NH_ABORTED: an expectation was not met, `key` says which.
   * NH_RESOURCE_EXHAUSTED: the disk is full, and nothing happened. NH_DATA_LOSS: it is damaged, or a
   * sync has failed; the commit may have happened, and nothing more is done until the role starts anew.
   * At most 16,384 operations in one. At most 4,096 waiting commits and 64 MiB of them a role; 0 past
   * that. [loop & (starting | running)]
   */
  nh_handle (*commit)(void *NH_NULLABLE ctx, nh_store_operation_list operations, uint64_t token);
  /** The value of `key` and its revision come in on_reply; NH_NOT_FOUND if there is none. At most 4,096
   * open gets and scans a role; 0 past that. [loop & (starting | running)] */
  nh_handle (*get)(void *NH_NULLABLE ctx, nh_bytes key, uint64_t token);
  /** Keys from `from` up to but not including `to` (empty: to the end), in order, at most `limit`
   * (0: no limit): one on_reply each with NH_REPLY_MORE, then one without, which has the revision of
   * that moment. All of one moment, whatever is committed meanwhile. [loop & (starting | running)] */
  nh_handle (*scan)(void *NH_NULLABLE ctx, nh_bytes from, nh_bytes to, uint64_t limit,
                    uint64_t token);
  /** Ends a scan early; its last on_reply comes with NH_CANCELLED. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle request);
} nh_store_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

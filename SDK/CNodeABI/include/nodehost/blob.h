/*
 * blob.h: nodehost.blob/1, large objects on disk.
 *
 * An object is written as a stream, gets the SHA-256 of its bytes as its name, and appears whole or
 * not at all: the reply to finish comes after file and folder are synced. Reads are by range. Objects
 * belong to the role's name on its node, and outlive swaps, restarts and kills.
 *
 * A role may have 1,024 requests open, of which 256 uploads; a function that makes one returns 0 past
 * that, and all else comes in on_reply, NH_REPLY_MORE on every reply but the last. A swap waits for
 * open requests as it does for calls, and ends them with NH_UNAVAILABLE at its limit: uploads can be
 * gone on with then. A request that is open when the role ends gets no reply.
 *
 * NH_RESOURCE_EXHAUSTED in a reply: the disk is full, or as full as the manifest lets it be.
 * NH_DATA_LOSS: what lies on the disk is not what was written; upload it again.
 * NH_FAILED_PRECONDITION: it is sealed with a key that the manifest does not give.
 */
#ifndef NODEHOST_BLOB_H
#define NODEHOST_BLOB_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_BLOB_ID "nodehost.blob/1"

typedef struct nh_blob_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Begins to write an object, or goes on with the unfinished one of the same `upload` name (1 to
   * 1,024 bytes) at the offset that the first on_reply has as revision_number: all before it is on the
   * disk. An upload of that name that is still open ends with NH_ABORTED. `options` is {"size",
   * "sha256", "media_type"}, each optional, and holds for this time only. Each further on_reply says
   * that there is room again, and in revision_number how much would be there after a loss of power.
   * What nobody goes on with is removed after some days. [loop & (starting | running)]
   */
  nh_handle (*begin)(void *NH_NULLABLE ctx, nh_str upload, nh_json options, uint64_t token);
  /** Appends a piece of at most 512 KiB at `offset`, copied. NH_RESOURCE_EXHAUSTED: nothing was taken,
   * since 1 MiB waits for the disk or the first on_reply has not come; go on after the next on_reply.
   * NH_OUT_OF_RANGE: `offset` is not the end, or the piece goes beyond "size". [loop & running] */
  nh_status (*write)(void *NH_NULLABLE ctx, nh_handle upload, uint64_t offset, nh_bytes piece);
  /** Makes the object durable and visible; the last on_reply has {"sha256", "size", "duplicate"} as j,
   * `duplicate` if there was such an object already, which stays, unless it is sealed with another key
   * than new ones are. NH_INVALID_ARGUMENT there: it is not what the options said, and is gone.
   * [loop & running] */
  nh_status (*finish)(void *NH_NULLABLE ctx, nh_handle upload);
  /** Gives an upload up and frees its room; no on_reply comes any more. [loop & running] */
  nh_status (*abandon)(void *NH_NULLABLE ctx, nh_handle upload);
  /** Reads `length` bytes (0: to the end) from `offset`: on_reply with pieces of at most 64 KiB as b, the
   * offset of each as revision_number, then one without a value. NH_OUT_OF_RANGE: the object ends before
   * `offset`. If the whole object is read, the last on_reply is NH_OK only if its SHA-256 was right.
   * [loop & (starting | running)] */
  nh_handle (*read)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t offset, uint64_t length,
                    uint64_t token);
  /** Asks for `bytes` more of a read. It begins with 256 KiB; the last piece may go beyond what was
   * asked for. [loop & running] */
  nh_status (*credit)(void *NH_NULLABLE ctx, nh_handle read, uint64_t bytes);
  /** {"sha256", "size", "media_type", "created_ms", "key"} as j in on_reply, without "media_type" if none
   * was given, and without "key", the id of the key that seals it, if it is not sealed; or NH_NOT_FOUND.
   * [loop & (starting | running)] */
  nh_handle (*stat)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t token);
  /** All objects after `after` in order of name, at most `limit` (0: no limit), as stat tells them, then
   * one reply without a value. One that cannot be read is {"sha256", "problem"}.
   * [loop & (starting | running)] */
  nh_handle (*list)(void *NH_NULLABLE ctx, nh_str after, uint64_t limit, uint64_t token);
  /** Removes an object; on_reply when it is gone for good, or NH_NOT_FOUND. A read of it that is open
   * goes on to its end. [loop & (starting | running)] */
  nh_handle (*remove)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t token);
  /** Ends a read or list early, or lets go of an upload, whose bytes stay for a later begin; the last
   * on_reply comes with NH_CANCELLED. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle request);
} nh_blob_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

/*
 * blob.h: nodehost.blob/1, large objects on disk.
 *
 * An object is written as a stream, gets the SHA-256 of its bytes as its name, and appears whole or
 * not at all: the reply to finish comes after file and folder are synced. Reads are by range.
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
   * Begins to write an object, or goes on with the unfinished one of the same `upload` name at its
   * offset, which comes in on_reply as revision_number. `options` is {"size", "sha256",
   * "media_type"}, each optional; a wrong one fails the finish. [loop & (starting | running)]
   */
  nh_handle (*begin)(void *NH_NULLABLE ctx, nh_str upload, nh_json options, uint64_t token);
  /** Appends a piece at `offset`, copied. NH_RESOURCE_EXHAUSTED: nothing was taken; go on after the
   * next on_reply, which says how far the disk is. NH_OUT_OF_RANGE: `offset` is not the end.
   * [loop & running] */
  nh_status (*write)(void *NH_NULLABLE ctx, nh_handle upload, uint64_t offset, nh_bytes piece);
  /** Makes the object durable and visible; on_reply has {"sha256", "size", "duplicate"} as j.
   * [loop & running] */
  nh_status (*finish)(void *NH_NULLABLE ctx, nh_handle upload);
  /** Gives an upload up and frees its room. [loop & running] */
  nh_status (*abandon)(void *NH_NULLABLE ctx, nh_handle upload);
  /** Reads `length` bytes (0: to the end) from `offset`: on_reply with pieces as b and NH_REPLY_MORE,
   * then one without. [loop & (starting | running)] */
  nh_handle (*read)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t offset, uint64_t length,
                    uint64_t token);
  /** Asks for `bytes` more of a read. It begins with 256 KiB. [loop & running] */
  nh_status (*credit)(void *NH_NULLABLE ctx, nh_handle read, uint64_t bytes);
  /** {"sha256", "size", "media_type", "created_ms"} as j in on_reply, or NH_NOT_FOUND.
   * [loop & (starting | running)] */
  nh_handle (*stat)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t token);
  /** All objects after `after` in order of name, as stat tells them, with NH_REPLY_MORE, then one
   * reply without. [loop & (starting | running)] */
  nh_handle (*list)(void *NH_NULLABLE ctx, nh_str after, uint64_t limit, uint64_t token);
  /** Removes an object; on_reply when it is gone. [loop & (starting | running)] */
  nh_handle (*remove)(void *NH_NULLABLE ctx, nh_str sha256, uint64_t token);
  /** Ends a read or list early. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle request);
} nh_blob_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

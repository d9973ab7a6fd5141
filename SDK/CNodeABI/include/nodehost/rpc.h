/*
 * rpc.h: nodehost.rpc/1, gRPC as server and as client.
 *
 * Messages are bytes here; encoding them is the role's. All four kinds of call are the same: each
 * side sends messages and ends. The host keeps deadlines, compression, keep-alive, limits, health
 * and reflection.
 */
#ifndef NODEHOST_RPC_H
#define NODEHOST_RPC_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_RPC_ID "nodehost.rpc/1"

/** Server: a call begins; `path` and `metadata` are set. */
#define NH_RPC_CALL 1u
/** Client: the answer's metadata came. */
#define NH_RPC_METADATA 2u
/** A whole message. */
#define NH_RPC_MESSAGE 3u
/** The other side sends no more messages. */
#define NH_RPC_HALF_CLOSE 4u
/** Sending is possible again after NH_RESOURCE_EXHAUSTED. */
#define NH_RPC_WRITABLE 5u
/** The call is over: `status`, `message` and trailing `metadata` are set. The last event. */
#define NH_RPC_END 6u

/** Part of a gRPC call. Valid during on_rpc. */
typedef struct nh_rpc_event {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t kind;
  nh_status status;
  nh_handle call;
  /** That of serve, or of call. */
  uint64_t token;
  /** "/package.Service/Method". */
  nh_str path;
  nh_str message;
  /** Values of names that end in "-bin" are bytes, here and wherever metadata is given. */
  nh_pair_list metadata;
  nh_bytes payload;
  /** When the caller stops waiting, on the monotonic clock; 0 is never. */
  int64_t deadline_ns;
  /** "10.0.0.7:51234". */
  nh_str remote;
} nh_rpc_event;

typedef struct nh_rpc_request {
  uint32_t struct_size;
  uint32_t revision;
  /** "http://host:port" or "https://host:port". */
  nh_str target;
  nh_str path;
  /** A first pair "grpc-encoding", "gzip" is no metadata: messages are compressed then. */
  nh_pair_list metadata;
  /** A first message, sent with the call; a unary call has no other. */
  nh_bytes payload;
  /** 0 takes the manifest's default. */
  int64_t timeout_ns;
  /** 1: no further message follows. */
  uint32_t ends;
  /** 1: wait for a connection instead of failing with NH_UNAVAILABLE. */
  uint32_t waits;
  uint32_t retries;
  uint32_t reserved;
} nh_rpc_request;

typedef struct nh_rpc_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Calls of "/package.Service/Method" on `listener` (empty: "data") come to on_rpc with `token`;
   * "/package.Service/{method}" takes all its methods. 0 if it is taken or the listener unknown.
   * [loop & (starting | running)] */
  nh_handle (*serve)(void *NH_NULLABLE ctx, nh_str listener, nh_str path, uint64_t token);
  /** Ends what serve began; open calls go on. [loop & (starting | running)] */
  nh_status (*unserve)(void *NH_NULLABLE ctx, nh_handle service);
  /** Adds a serialized FileDescriptorSet to what reflection tells. [loop & (starting | running)] */
  nh_status (*describe)(void *NH_NULLABLE ctx, nh_bytes descriptor_set);
  /** Begins a call to another server; copied before the function returns. At most 4,096 open ones a
   * role. 0 and a reason in `error` if it cannot be one. [loop & (starting | running)] */
  nh_handle (*call)(void *NH_NULLABLE ctx, const nh_rpc_request *request, uint64_t token,
                    nh_error *NH_NULLABLE error);
  /** Sends initial metadata before the first message, once. Server only. A first pair "grpc-encoding",
   * "gzip" is none: messages are compressed then, if the client can read that. [loop & running] */
  nh_status (*metadata)(void *NH_NULLABLE ctx, nh_handle call, nh_pair_list metadata);
  /** Sends a message, copied. NH_RESOURCE_EXHAUSTED: nothing was taken; NH_RPC_WRITABLE will come.
   * [loop & running] */
  nh_status (*send)(void *NH_NULLABLE ctx, nh_handle call, nh_bytes payload);
  /** Server: ends the call with a status, `message`, trailing metadata and, if not empty, a
   * serialized google.rpc.Status in `details`. Client: the status is ignored; no more messages will
   * be sent. [loop & running] */
  nh_status (*finish)(void *NH_NULLABLE ctx, nh_handle call, nh_status status, nh_str message,
                      nh_pair_list metadata, nh_bytes details);
  /** Gives the call up; NH_RPC_END comes with NH_CANCELLED. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle call);
  /** Asks for `messages` more. A call begins with 1. [loop & running] */
  nh_status (*credit)(void *NH_NULLABLE ctx, nh_handle call, uint32_t messages);
} nh_rpc_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

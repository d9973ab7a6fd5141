/*
 * client.h: nodehost.client/1, HTTP requests to others.
 *
 * HTTP/1.1 and HTTP/2, plain or over TLS, from pools of kept connections. What comes back arrives in
 * on_http: NH_HTTP_RESPONSE, NH_HTTP_BODY, NH_HTTP_END, or NH_HTTP_FAILED. Bodies flow by credit as
 * on the server side.
 */
#ifndef NODEHOST_CLIENT_H
#define NODEHOST_CLIENT_H

#include "base.h"
#include "http.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_CLIENT_ID "nodehost.client/1"

typedef struct nh_client_request {
  uint32_t struct_size;
  uint32_t revision;
  nh_str method;
  /** "https://host:port/path?query". */
  nh_str url;
  nh_pair_list headers;
  nh_bytes body;
  /** For everything together, retries included; 0 takes 30 s. */
  int64_t timeout_ns;
  /** How often to try again after a failure that is known to have had no effect. */
  uint32_t retries;
  /** 1: more of the body follows by write and finish; such a request is not retried. */
  uint32_t streams;
} nh_client_request;

typedef struct nh_client_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Sends a request, copied before the function returns. At most 1,024 open ones a role. 0 and a
   * reason in `error` if it cannot be one. [loop & (starting | running)] */
  nh_handle (*request)(void *NH_NULLABLE ctx, const nh_client_request *request, uint64_t token,
                       nh_error *NH_NULLABLE error);
  /** The next piece of a streamed body. NH_RESOURCE_EXHAUSTED: nothing was taken; NH_HTTP_WRITABLE
   * will come. [loop & running] */
  nh_status (*write)(void *NH_NULLABLE ctx, nh_handle exchange, nh_bytes body);
  /** The streamed body is whole. [loop & running] */
  nh_status (*finish)(void *NH_NULLABLE ctx, nh_handle exchange);
  /** Gives it up; no event comes any more. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle exchange);
  /** Asks for `bytes` more of the answer's body. It begins with 64 KiB. [loop & running] */
  nh_status (*credit)(void *NH_NULLABLE ctx, nh_handle exchange, uint64_t bytes);
} nh_client_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

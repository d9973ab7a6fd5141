/*
 * http.h: nodehost.http/1, routes and forward tables on the node's listeners.
 *
 * The host speaks HTTP/1.1 and HTTP/2 and hands the role whole heads and pieces of bodies, as
 * nh_http_event. Bodies flow by credit: the role gets no more than it has asked for, and its own
 * writes are refused when the client does not read. Plain forwarding needs no callback at all: give
 * the host a forward table.
 */
#ifndef NODEHOST_HTTP_H
#define NODEHOST_HTTP_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_HTTP_ID "nodehost.http/1"

/** A request came: `head` is set. Answer it with respond. */
#define NH_HTTP_REQUEST 1u
/** An answer to a request of one's own came: `head` is set. */
#define NH_HTTP_RESPONSE 2u
/** A piece of the body. */
#define NH_HTTP_BODY 3u
/** The message is whole; `head` holds its trailers, if any. */
#define NH_HTTP_END 4u
/** Writing is possible again after NH_RESOURCE_EXHAUSTED. */
#define NH_HTTP_WRITABLE 5u
/** It broke: the other side went away, or a limit of time or size was reached. The last event. */
#define NH_HTTP_FAILED 6u

/** The head of a request or response. */
typedef struct nh_http_head {
  uint32_t struct_size;
  uint32_t revision;
  /** For requests. `path` is decoded and without the query. */
  nh_str method;
  nh_str scheme;
  nh_str authority;
  nh_str path;
  nh_str query;
  /** Names are lower-case. */
  nh_pair_list headers;
  /** What the route's pattern caught: "/nodes/{id}" gives id. */
  nh_pair_list captures;
  /** "10.0.0.7:51234". */
  nh_str remote;
  /** For responses. */
  uint32_t status;
  /** 1 if no body follows, and no NH_HTTP_END either. */
  uint32_t ends;
} nh_http_head;

/** Part of an exchange. Valid during on_http. */
typedef struct nh_http_event {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t kind;
  nh_status status;
  nh_handle exchange;
  /** That of the route, or of the client request. */
  uint64_t token;
  const nh_http_head *NH_NULLABLE head;
  nh_bytes body;
  /** For NH_HTTP_FAILED: what happened. */
  nh_str message;
} nh_http_event;

typedef struct nh_http_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Requests on `listener` (a name of the manifest; empty is "data") with `method` (empty: any) and
   * a path like `pattern` come to on_http with `token`. "{name}" catches a segment, a last "{name*}"
   * the rest; the most exact pattern wins. 0 if the pattern is wrong, the listener unknown, or the
   * route another role's. [loop & (starting | running)]
   */
  nh_handle (*route)(void *NH_NULLABLE ctx, nh_str listener, nh_str method, nh_str pattern,
                     uint64_t token);
  /** Ends a route; its open exchanges go on. [loop & (starting | running)] */
  nh_status (*unroute)(void *NH_NULLABLE ctx, nh_handle route);
  /** Answers a request: status, headers, and a first piece of the body; `ends` 1 makes it the whole.
   * [loop & running] */
  nh_status (*respond)(void *NH_NULLABLE ctx, nh_handle exchange, uint32_t status,
                       nh_pair_list headers, nh_bytes body, uint32_t ends);
  /** The next piece of the body. NH_RESOURCE_EXHAUSTED: nothing was taken; NH_HTTP_WRITABLE will
   * come. [loop & running] */
  nh_status (*write)(void *NH_NULLABLE ctx, nh_handle exchange, nh_bytes body);
  /** The body is whole. [loop & running] */
  nh_status (*finish)(void *NH_NULLABLE ctx, nh_handle exchange, nh_pair_list trailers);
  /** Breaks the exchange off. [loop & running] */
  nh_status (*abort)(void *NH_NULLABLE ctx, nh_handle exchange);
  /** Asks for `bytes` more of the body. An exchange begins with 64 KiB. [loop & running] */
  nh_status (*credit)(void *NH_NULLABLE ctx, nh_handle exchange, uint64_t bytes);
  /**
   * Puts a forward table in place of the one that `previous` names (0: a new one), at once for every
   * connection: {"listener", "prefix", "upstreams": [{"id", "url", "weight"}], "sticky", "match",
   * "mirror", "timeout_ms", "retries", "health", "ejection", "limits", "host", "name_header"}.
   * A url is http:// (HTTP/1.1), https:// (what ALPN chooses) or h2c:// (HTTP/2 without TLS).
   * Counts come as NH_EVENT_FORWARD_STATS with `token`. 0 and a reason in `error` if the table is
   * wrong.
   * [loop & (starting | running)]
   */
  nh_handle (*forward)(void *NH_NULLABLE ctx, nh_handle previous, nh_json table, uint64_t token,
                       nh_error *NH_NULLABLE error);
} nh_http_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

/*
 * fd.h: nodehost.fd/1, descriptors of C libraries.
 *
 * For a library that brings its own sockets. A role that needs this service touches the world past
 * the host's back: it cannot be simulated, and the host marks it so.
 *
 * Watches belong to the build that made them. While a swap moves the state nothing is reported; then
 * the new build hears of what its own start has watched, and the old one of nothing, unless it comes
 * back. They end after stop.
 */
#ifndef NODEHOST_FD_H
#define NODEHOST_FD_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_FD_ID "nodehost.fd/1"

#define NH_FD_READ 1u
#define NH_FD_WRITE 2u
/** It has failed, or both sides have closed. Reported whether asked for or not, beside all that was
 * asked for, since reading and writing no longer wait. */
#define NH_FD_ERROR 4u

typedef struct nh_fd_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Reports NH_EVENT_FD with `token` as long as `fd` is ready for `interest` (level-triggered), once
   * in each turn of the loop. The descriptor stays the role's: unwatch before closing it. At most
   * 256 a role; 0 past that, and for what is watched already, is not open, or is a file or a folder.
   * [loop & (starting | running)] */
  nh_handle (*watch)(void *NH_NULLABLE ctx, int32_t fd, uint32_t interest, uint64_t token);
  /** Changes what to wait for; 0 for errors only. [loop & (starting | running)] */
  nh_status (*change)(void *NH_NULLABLE ctx, nh_handle watch, uint32_t interest);
  /** Ends a watch. [loop & (starting | running | stopping)] */
  nh_status (*unwatch)(void *NH_NULLABLE ctx, nh_handle watch);
} nh_fd_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif

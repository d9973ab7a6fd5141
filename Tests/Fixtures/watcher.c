/*
 * A role that watches descriptors: a pair of sockets of its own, over which it talks to itself as a library would to
 * its server. -DRAW adds methods that watch whatever number they are given, right or wrong; -DOPTIONAL does without
 * descriptors where there are none.
 */
#include <errno.h>
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUMBERS 4096

NH_PLUGIN_NOTE("watcher", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct state {
  int64_t heard;
  /* Watched by a number that was given, which the next build goes on with. */
  int64_t given;
} state;

typedef struct watcher {
  const nh_host *host;
  const nh_fd_service *fd;
  /* The role's end and the other. */
  int ends[2];
  nh_handle own;
  state state;
  /* By descriptor: how often it was told, and of what last. */
  int64_t told[NUMBERS];
  int64_t last[NUMBERS];
  int leaves;
  nh_handle ends_next;
} watcher;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  watcher *self = calloc(1, sizeof *self);
  self->host = host;
  self->ends[0] = self->ends[1] = -1;
  *out = self;
  return NH_OK;
}

static void close_both(watcher *self) {
  if (self->own) self->fd->unwatch(self->fd->ctx, self->own);
  self->own = 0;
  for (int i = 0; i < 2; i++) {
    if (self->ends[i] >= 0) close(self->ends[i]);
    self->ends[i] = -1;
  }
}

static nh_status start(void *role, nh_error *error) {
  watcher *self = role;
  self->fd = self->host->get_service(self->host, nh_cstr(NH_FD_ID), NH_FD_LAYOUT);
#ifdef OPTIONAL
  if (!self->fd) return NH_OK;
#endif
  if (!self->fd) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("nobody watches"));
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, self->ends) != 0)
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, nh_cstr(""), nh_cstr("no sockets"));
  self->own = self->fd->watch(self->fd->ctx, self->ends[0], NH_FD_READ, (uint64_t)self->ends[0]);
  if (!self->own) {
    close_both(self);
    return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("its socket is not watched"));
  }
  int64_t given = self->state.given;
  if (given) self->fd->watch(self->fd->ctx, (int32_t)given, NH_FD_READ, (uint64_t)given);
  return NH_OK;
}

static void stop(void *role) { close_both(role); }

static void destroy(void *role) {
  watcher *self = role;
  for (int i = 0; i < 2; i++)
    if (self->ends[i] >= 0) close(self->ends[i]);
  free(self);
}

static nh_status save(void *role, const nh_sink *sink, nh_error *error) {
  (void)error;
  return sink->write(sink->ctx, (nh_bytes){(const uint8_t *)&((watcher *)role)->state, sizeof(state)});
}

static nh_status load(void *role, uint32_t version, nh_bytes bytes, nh_error *error) {
  if (version != 1 || bytes.len != sizeof(state))
    return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr(""), nh_cstr("no state of this role"));
  memcpy(&((watcher *)role)->state, bytes.ptr, sizeof(state));
  return NH_OK;
}

static void on_event(void *role, const nh_event *event) {
  watcher *self = role;
  if (event->kind != NH_EVENT_FD) return;
  int descriptor = (int)event->token;
  if (descriptor < NUMBERS) {
    self->told[descriptor]++;
    self->last[descriptor] = event->number;
  }
  if (self->ends_next && self->ends_next != event->handle) {
    self->fd->unwatch(self->fd->ctx, self->ends_next);
    self->ends_next = 0;
  }
  if (self->leaves || !(event->number & NH_FD_READ)) return;
  char room[512];
  ssize_t count = read(descriptor, room, sizeof room);
  if (event->handle == self->own && count > 0) self->state.heard += count;
}

/* Methods. */

static void say(void *role, const nh_call *call, nh_str words) {
  watcher *self = role;
  size_t count = words.len < 512 ? words.len : 512;
  nh_reply_int(call, count == 0 ? 0 : (int64_t)write(self->ends[1], words.ptr, count));
}
static void heard(void *role, const nh_call *call) { nh_reply_int(call, ((watcher *)role)->state.heard); }

#ifdef RAW
static void watch(void *role, const nh_call *call, int64_t descriptor, int64_t interest) {
  watcher *self = role;
  nh_handle made = self->fd->watch(self->fd->ctx, (int32_t)descriptor, (uint32_t)interest, (uint64_t)descriptor);
  if (made) self->state.given = descriptor;
  nh_reply_int(call, (int64_t)made);
}
static void change(void *role, const nh_call *call, int64_t handle, int64_t interest) {
  watcher *self = role;
  nh_reply_int(call, self->fd->change(self->fd->ctx, (nh_handle)handle, (uint32_t)interest));
}
static void unwatch(void *role, const nh_call *call, int64_t handle) {
  watcher *self = role;
  nh_reply_int(call, self->fd->unwatch(self->fd->ctx, (nh_handle)handle));
}
static void told(void *role, const nh_call *call, int64_t descriptor) {
  nh_reply_int(call, ((watcher *)role)->told[descriptor]);
}
static void last(void *role, const nh_call *call, int64_t descriptor) {
  nh_reply_int(call, ((watcher *)role)->last[descriptor]);
}
/* Whether it reads what there is to read. */
static void leave(void *role, const nh_call *call, int64_t leaves) {
  ((watcher *)role)->leaves = (int)leaves;
  nh_reply_int(call, leaves);
}
/* The next event of another ends this watch. */
static void end_next(void *role, const nh_call *call, int64_t handle) {
  ((watcher *)role)->ends_next = (nh_handle)handle;
  nh_reply_int(call, handle);
}
static void give_up(void *role, const nh_call *call) {
  watcher *self = role;
  nh_reply_int(call, 0);
  self->host->fail(self->host, NH_INTERNAL, nh_cstr("as asked"));
}
#endif

#define METHOD(name, signature, parameters)                                                                            \
  {NH_INIT(#name), NH_INIT(""), NH_INIT(signature), NH_INIT(parameters), (nh_function)name, NH_NATIVE, 0}
static const nh_method methods[] = {
    METHOD(say, "l(s)", "words"),
    METHOD(heard, "l()", ""),
#ifdef RAW
    METHOD(watch, "l(ll)", "descriptor,interest"),
    METHOD(change, "l(ll)", "handle,interest"),
    METHOD(unwatch, "l(l)", "handle"),
    METHOD(told, "l(l)", "descriptor"),
    METHOD(last, "l(l)", "descriptor"),
    METHOD(leave, "l(l)", "leaves"),
    METHOD(end_next, "l(l)", "handle"),
    METHOD(give_up, "l()", ""),
#endif
};

#ifdef OPTIONAL
#define REQUIRED 0
#else
#define REQUIRED 1
#endif
static const nh_need needs[] = {{NH_INIT(NH_FD_ID), NH_FD_LAYOUT, REQUIRED, 0}};

#ifndef VERSION
#define VERSION "1.0.0"
#endif
static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("watcher"),
    .version = NH_INIT(VERSION),
    .description = NH_INIT("Watches."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .state_version = 1,
    .save = save,
    .load = load,
    .on_event = on_event,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

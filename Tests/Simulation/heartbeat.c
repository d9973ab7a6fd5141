/*
 * A role that does what most roles of a cluster do most of the time: it tells its neighbours every second that it is
 * there, and notes who has told it.
 */
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>

NH_PLUGIN_NOTE("heartbeat", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

#define NEIGHBOURS 64
#define PERIOD_NS 1000000000

typedef struct heartbeat {
  const nh_host *host;
  const nh_peers_service *peers;
  uint32_t up[NEIGHBOURS];
  int64_t links;
  int64_t heard;
} heartbeat;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  heartbeat *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static void destroy(void *role) { free(role); }

static void went(heartbeat *self, uint32_t node) {
  for (int64_t place = 0; place < self->links; place++) {
    if (self->up[place] == node) self->up[place--] = self->up[--self->links];
  }
}

static void came(heartbeat *self, uint32_t node) {
  went(self, node);
  if (self->links < NEIGHBOURS) self->up[self->links++] = node;
}

typedef struct text {
  size_t length;
  char bytes[NEIGHBOURS * 256];
} text;

static nh_status collect(void *ctx, nh_bytes piece) {
  text *out = ctx;
  if (piece.len >= sizeof out->bytes - out->length) return NH_RESOURCE_EXHAUSTED;
  memcpy(out->bytes + out->length, piece.ptr, piece.len);
  out->length += piece.len;
  return NH_OK;
}

/** What was up before the role was there. */
static nh_status look_around(heartbeat *self) {
  text nodes = {0};
  nh_sink sink = {sizeof sink, NH_ABI_REVISION, &nodes, collect};
  nh_status status = self->peers->nodes(self->peers->ctx, &sink);
  for (char *node = nodes.bytes; status == NH_OK && (node = strstr(node, "\"id\":")); node++) {
    const char *is_self = strstr(node, "\"self\":"), *is_up = strstr(node, "\"up\":");
    if (!strncmp(is_self, "\"self\":false", 12) && !strncmp(is_up, "\"up\":true", 9))
      came(self, (uint32_t)strtoul(node + 5, NULL, 10));
  }
  return status;
}

static nh_status start(void *role, nh_error *error) {
  heartbeat *self = role;
  self->peers = self->host->get_service(self->host, nh_cstr(NH_PEERS_ID), NH_PEERS_LAYOUT);
  const nh_timer_service *timer = self->host->get_service(self->host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
  if (!self->peers || !timer) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("a service is missing"));
  nh_status status = look_around(self);
  if (status != NH_OK) return nh_fail(error, status, nh_cstr(""), nh_cstr("the nodes are not told"));
  return timer->every(timer->ctx, PERIOD_NS, PERIOD_NS, 0) ? NH_OK : NH_RESOURCE_EXHAUSTED;
}

static void on_event(void *role, const nh_event *event) {
  if (event->kind == NH_EVENT_LINK_UP) came(role, event->number);
  if (event->kind == NH_EVENT_LINK_DOWN) went(role, event->number);
}

static void on_timer(void *role, nh_handle timer, uint64_t token) {
  (void)timer;
  (void)token;
  heartbeat *self = role;
  nh_bytes alive = {(const uint8_t *)"alive", 5};
  for (int64_t place = 0; place < self->links; place++)
    self->peers->send(self->peers->ctx, self->up[place], nh_cstr(""), 0, NH_PEER_URGENT, alive);
}

static void on_message(void *role, const nh_message *message) {
  (void)message;
  ((heartbeat *)role)->heard++;
}

static void heard(void *role, const nh_call *call) { nh_reply_int(call, ((heartbeat *)role)->heard); }
static void links(void *role, const nh_call *call) { nh_reply_int(call, ((heartbeat *)role)->links); }

static const nh_method methods[] = {
    {NH_INIT("heard"), NH_INIT("How many heartbeats have come."), NH_INIT("l()"), NH_INIT(""), (nh_function)heard,
     NH_NATIVE, 0},
    {NH_INIT("links"), NH_INIT("How many neighbours are linked."), NH_INIT("l()"), NH_INIT(""), (nh_function)links,
     NH_NATIVE, 0},
};

static const nh_need needs[] = {{NH_INIT(NH_PEERS_ID), NH_PEERS_LAYOUT, 1, 0},
                                {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("heartbeat"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Tells its neighbours that it is there."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
    .on_message = on_message,
    .on_event = on_event,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

/*
 * A role that does what most roles of a cluster do most of the time: it tells its neighbours every second that it is
 * there, and notes who has told it.
 */
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>

NH_PLUGIN_NOTE("heartbeat", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

#define NODES 4096
#define PERIOD_NS 1000000000

typedef struct heartbeat {
  const nh_host *host;
  const nh_peers_service *peers;
  uint8_t up[NODES / 8];
  int64_t heard;
  int64_t links;
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

static void note(heartbeat *self, uint32_t node, int is_up) {
  if (node >= NODES) return;
  uint8_t bit = (uint8_t)(1u << node % 8);
  if (is_up && !(self->up[node / 8] & bit)) self->links++;
  if (!is_up && self->up[node / 8] & bit) self->links--;
  if (is_up) {
    self->up[node / 8] |= bit;
  } else {
    self->up[node / 8] &= (uint8_t)~bit;
  }
}

static nh_status start(void *role, nh_error *error) {
  heartbeat *self = role;
  self->peers = self->host->get_service(self->host, nh_cstr(NH_PEERS_ID), NH_PEERS_LAYOUT);
  const nh_timer_service *timer = self->host->get_service(self->host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
  if (!self->peers || !timer) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("a service is missing"));
  for (uint32_t node = 0; node < NODES; node++) note(self, node, (int)self->peers->is_up(self->peers->ctx, node));
  return timer->every(timer->ctx, PERIOD_NS, PERIOD_NS, 0) ? NH_OK : NH_RESOURCE_EXHAUSTED;
}

static void on_event(void *role, const nh_event *event) {
  if (event->kind == NH_EVENT_LINK_UP) note(role, event->number, 1);
  if (event->kind == NH_EVENT_LINK_DOWN) note(role, event->number, 0);
}

static void on_timer(void *role, nh_handle timer, uint64_t token) {
  (void)timer;
  (void)token;
  heartbeat *self = role;
  nh_bytes alive = {(const uint8_t *)"alive", 5};
  for (uint32_t byte = 0; byte < NODES / 8; byte++) {
    for (uint32_t bit = 0; self->up[byte] >> bit; bit++) {
      if (self->up[byte] >> bit & 1)
        self->peers->send(self->peers->ctx, byte * 8 + bit, nh_cstr(""), 0, NH_PEER_URGENT, alive);
    }
  }
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

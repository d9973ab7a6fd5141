/* A role that plays ping-pong with the same role on another node, many balls at a time. */
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>

NH_PLUGIN_NOTE("pinger", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

#define PING 0
#define PONG 1

typedef struct pinger {
  const nh_host *host;
  const nh_peers_service *peers;
  nh_call call;
  uint32_t node;
  int64_t to_send, to_come, began;
  uint8_t payload[65536];
  uint64_t size;
} pinger;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  pinger *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  pinger *self = role;
  self->peers = self->host->get_service(self->host, nh_cstr(NH_PEERS_ID), NH_PEERS_LAYOUT);
  return self->peers ? NH_OK : nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no peers"));
}

static void destroy(void *role) { free(role); }

static void ping(pinger *self) {
  self->to_send--;
  self->peers->send(self->peers->ctx, self->node, nh_text(NULL, 0), PING, NH_PEER_NORMAL,
                    (nh_bytes){self->payload, self->size});
}

static void on_message(void *role, const nh_message *message) {
  pinger *self = role;
  if (message->channel == PING) {
    self->peers->send(self->peers->ctx, message->from_node, message->from_role, PONG, NH_PEER_NORMAL,
                      message->payload);
    return;
  }
  if (self->to_send > 0) ping(self);
  if (--self->to_come == 0)
    nh_reply_int(&self->call, self->host->now(self->host, NH_CLOCK_MONOTONIC) - self->began);
}

/* Sends `count` messages and awaits each one's echo, `window` under way at a time; nanoseconds. */
static void play(void *role, const nh_call *call, uint32_t node, int64_t count, int64_t window, int64_t size) {
  pinger *self = role;
  self->call = *call;
  self->node = node;
  self->size = (uint64_t)size;
  self->to_send = self->to_come = count;
  self->began = self->host->now(self->host, NH_CLOCK_MONOTONIC);
  for (int64_t i = 0; i < window && self->to_send > 0; i++) ping(self);
}

static const nh_method methods[] = {
    {NH_INIT("play"), NH_INIT(""), NH_INIT("l(Illl)"), NH_INIT("node,count,window,size"), (nh_function)play, NH_NATIVE,
     0},
};
static const nh_need needs[] = {{NH_INIT(NH_PEERS_ID), NH_PEERS_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("pinger"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Plays ping-pong."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_message = on_message,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

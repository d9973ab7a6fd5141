/* A role that sends each message of gRPC back, for the benchmark. */
#include <nodehost.h>
#include <stdlib.h>

NH_PLUGIN_NOTE("bounce", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct bounce {
  const nh_host *host;
  const nh_rpc_service *rpc;
} bounce;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  bounce *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  bounce *self = role;
  self->rpc = self->host->get_service(self->host, nh_cstr(NH_RPC_ID), NH_RPC_LAYOUT);
  if (!self->rpc) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no rpc"));
  static const char *const listeners[] = {"data", "safe"};
  for (int i = 0; i < 2; i++)
    if (!self->rpc->serve(self->rpc->ctx, nh_cstr(listeners[i]), nh_cstr("/bench.Echo/Unary"), 1))
      return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("cannot serve"));
  return NH_OK;
}

static void on_rpc(void *role, const nh_rpc_event *event) {
  const nh_rpc_service *rpc = ((bounce *)role)->rpc;
  if (event->kind != NH_RPC_MESSAGE) return;
  rpc->send(rpc->ctx, event->call, event->payload);
  rpc->finish(rpc->ctx, event->call, NH_OK, (nh_str){0}, (nh_pair_list){0}, (nh_bytes){0});
}

static const nh_need needs[] = {{NH_INIT(NH_RPC_ID), NH_RPC_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("bounce"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Sends messages back."),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = free,
    .on_rpc = on_rpc,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

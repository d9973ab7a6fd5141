/* The least role that can be measured: one method, one timer callback. */
#include <nodehost.h>

NH_PLUGIN_NOTE("adder", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

static int64_t beats;

static nh_status create(const nh_host *host, nh_json config, void **role, nh_error *error) {
  (void)host;
  (void)config;
  (void)error;
  *role = &beats;
  return NH_OK;
}
static nh_status start(void *role, nh_error *error) {
  (void)role;
  (void)error;
  return NH_OK;
}
static void destroy(void *role) { (void)role; }

static void on_timer(void *role, nh_handle timer, uint64_t token) {
  (void)timer;
  *(int64_t *)role += (int64_t)token;
}

static void add(void *role, const nh_call *call, int64_t a, int64_t b) {
  (void)role;
  nh_reply_int(call, a + b);
}

static const nh_method methods[] = {{{"add", 3}, {"Adds two numbers.", 17}, {"l(ll)", 5}, {"a,b", 3},
                                     (nh_function)add, NH_NATIVE, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = {"adder", 5},
    .version = {"1.0.0", 5},
    .methods = {methods, 1},
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

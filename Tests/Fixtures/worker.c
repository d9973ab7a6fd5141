/* A role that gives jobs to the CPU pool. */
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

NH_PLUGIN_NOTE("worker", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct job {
  nh_call call;
  nh_handle handle;
  int64_t milliseconds;
  int obeys;
  struct job *next;
} job;

typedef struct worker {
  const nh_host *host;
  const nh_work_service *work;
  /* The newest first. */
  job *jobs;
} worker;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  worker *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  worker *self = role;
  self->work = self->host->get_service(self->host, nh_cstr(NH_WORK_ID), NH_WORK_LAYOUT);
  return self->work ? NH_OK : nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no pool"));
}

/* No job runs any more, and those that were not answered never will be. */
static void destroy(void *role) {
  worker *self = role;
  while (self->jobs) {
    job *next = self->jobs->next;
    free(self->jobs);
    self->jobs = next;
  }
  free(self);
}

/* Sleeps in steps of a millisecond, and looks at each whether it was cancelled. */
static nh_status spend(const nh_work_context *context, void *data, const nh_sink *result) {
  job *job = data;
  for (int64_t i = 0; i < job->milliseconds; i++) {
    struct timespec step = {0, 1000000};
    nanosleep(&step, NULL);
    context->progress(context->ctx, (double)i / (double)job->milliseconds);
    if (job->obeys && context->is_cancelled(context->ctx)) return NH_CANCELLED;
  }
  return result->write(result->ctx, (nh_bytes){(const uint8_t *)"done", 4});
}

static void submit(worker *self, const nh_call *call, int64_t milliseconds, int obeys) {
  job *made = calloc(1, sizeof *made);
  *made = (job){*call, 0, milliseconds, obeys, self->jobs};
  made->handle = self->work->submit(self->work->ctx, (nh_function)spend, made, (uint64_t)(uintptr_t)made);
  if (made->handle == 0) {
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, nh_cstr("too many jobs"));
    free(made);
    return;
  }
  self->jobs = made;
}

static void work(void *role, const nh_call *call, int64_t milliseconds) { submit(role, call, milliseconds, 1); }
static void deaf(void *role, const nh_call *call, int64_t milliseconds) { submit(role, call, milliseconds, 0); }
static void cancel(void *role, const nh_call *call) {
  worker *self = role;
  nh_reply_int(call, self->jobs ? self->work->cancel(self->work->ctx, self->jobs->handle) : -1);
}

static void on_reply(void *role, const nh_reply *reply) {
  worker *self = role;
  job *ended = (job *)(uintptr_t)reply->token;
  job **place = &self->jobs;
  while (*place != ended) place = &(*place)->next;
  *place = ended->next;
  if (reply->status == NH_OK) nh_reply_int(&ended->call, (int64_t)reply->value.slot.hi);
  else nh_reply_error(&ended->call, reply->status, nh_cstr("the job ended early"));
  free(ended);
}

static const nh_method methods[] = {
    {NH_INIT("work"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("milliseconds"), (nh_function)work, NH_NATIVE, 0},
    {NH_INIT("deaf"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("milliseconds"), (nh_function)deaf, NH_NATIVE, 0},
    {NH_INIT("cancel"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)cancel, NH_NATIVE, 0},
};

static const nh_need needs[] = {{NH_INIT(NH_WORK_ID), NH_WORK_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("worker"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Works."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_reply = on_reply,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}

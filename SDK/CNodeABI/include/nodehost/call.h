/*
 * call.h: typed methods, and how they are answered.
 *
 * THE SIGNATURE ALPHABET
 *
 * A signature is a return type and a list of parameter types: "l(ll)". Types of methods are
 *
 *   v  nothing (return only)      d  double               s  nh_str, text in UTF-8
 *   i  int32_t                    z  int32_t, 0 or 1      b  nh_bytes
 *   I  uint32_t                   l  int64_t              j  nh_json, any JSON value
 *                                 L  uint64_t
 *
 * The functions of the tables in these headers are described by the same letters and these:
 *
 *   t  nh_status                  p  void *, passed back untouched
 *   h  nh_handle                  P  void **, filled by the callee
 *   u  nh_buffer                  f  nh_function
 *   <name>   a pointer to the struct `name`, borrowed for the call, or null
 *   [name]   the list struct `name`, by value
 *
 * They are derived from these headers and stand in described.c; a test fails when the two disagree.
 *
 * A method written natively takes the role, the call, and then one C parameter for each letter:
 *
 *     static void add(void *role, const nh_call *call, int64_t a, int64_t b) {
 *       nh_reply_int(call, a + b);
 *     }
 *     { NH_INIT("add"), NH_INIT("Adds two numbers."), NH_INIT("l(ll)"), NH_INIT("a,b"),
 *       (nh_function)add, NH_NATIVE, 0 }
 *
 * A method answers exactly once: inside the method, or later, by a copy of the nh_call. When the
 * deadline passes or the caller gives up, the host has already answered for the role and tells it
 * with an NH_EVENT_CANCELLED that carries the call's handle; an answer that comes too late is
 * ignored.
 */
#ifndef NODEHOST_CALL_H
#define NODEHOST_CALL_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

/** How a call is answered. The host owns it; it is valid as long as the role. */
typedef struct nh_answer {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /**
   * Answers `call`. The letter of `value` must be that of the signature's return; text and bytes are
   * copied before the function returns. NH_NOT_FOUND: the call is answered or cancelled already.
   * [any & (running | stopping)]
   */
  nh_status (*reply)(void *NH_NULLABLE ctx, nh_handle call, nh_value value);
  /** Answers `call` with an error; `code` must not be NH_OK. [any & (running | stopping)] */
  nh_status (*fail)(void *NH_NULLABLE ctx, nh_handle call, nh_status code, nh_str message);
} nh_answer;

/**
 * A call to be answered. Valid until the method returns; the struct may be copied, and the copy
 * answers the same call later.
 */
typedef struct nh_call {
  const nh_answer *answer;
  nh_handle handle;
  /** When the caller stops waiting, on the monotonic clock of nh_host.now; 0 is never. */
  int64_t deadline_ns;
  /** Which of the plugin's methods: an index into nh_plugin.methods. */
  uint32_t method;
  uint32_t reserved;
} nh_call;

/** The method is a C function of its signature: (void *role, const nh_call *, parameters...). */
#define NH_NATIVE 0u
/** The method is an nh_packed_method: parameters come as slots. For languages without C's calls. */
#define NH_PACKED 1u

/** A packed method: one slot for each parameter of the signature. [loop & running] */
typedef void (*nh_packed_method)(void *NH_NULLABLE role, const nh_call *call,
                                 const nh_slot *NH_NULLABLE arguments);

/** Asking twice does no harm: a caller may retry the method after a lost answer. */
#define NH_METHOD_IDEMPOTENT 1u

/** A method that `hostctl call` and other roles can call. */
typedef struct nh_method {
  nh_str name;
  /** One sentence for the person who reads `hostctl describe`. */
  nh_str doc;
  nh_str signature;
  /** The parameters' names, separated by commas; may be empty. */
  nh_str parameters;
  nh_function function;
  /** NH_NATIVE or NH_PACKED. */
  uint32_t convention;
  /** NH_METHOD_ bits. */
  uint32_t flags;
} nh_method;

typedef struct nh_method_list {
  const nh_method *NH_NULLABLE items;
  uint64_t count;
} nh_method_list;

/* Conveniences for C and C++. */

NH_INLINE nh_value nh_make_value(char type, uint64_t lo, uint64_t hi) {
  nh_value value;
  value.letter = (uint32_t)(unsigned char)type;
  value.reserved = 0;
  value.slot.lo = lo;
  value.slot.hi = hi;
  return value;
}

NH_INLINE nh_status nh_reply_nothing(const nh_call *call) {
  return call->answer->reply(call->answer->ctx, call->handle, nh_make_value('v', 0, 0));
}

NH_INLINE nh_status nh_reply_int(const nh_call *call, int64_t number) {
  return call->answer->reply(call->answer->ctx, call->handle,
                             nh_make_value('l', (uint64_t)number, 0));
}

NH_INLINE nh_status nh_reply_bool(const nh_call *call, int32_t truth) {
  return call->answer->reply(call->answer->ctx, call->handle, nh_make_value('z', truth != 0, 0));
}

NH_INLINE nh_status nh_reply_double(const nh_call *call, double number) {
  union {
    double number;
    uint64_t bits;
  } cell;
  cell.number = number;
  return call->answer->reply(call->answer->ctx, call->handle, nh_make_value('d', cell.bits, 0));
}

NH_INLINE nh_status nh_reply_text(const nh_call *call, nh_str text) {
  return call->answer->reply(call->answer->ctx, call->handle,
                             nh_make_value('s', (uint64_t)(uintptr_t)text.ptr, text.len));
}

NH_INLINE nh_status nh_reply_json(const nh_call *call, nh_str json) {
  return call->answer->reply(call->answer->ctx, call->handle,
                             nh_make_value('j', (uint64_t)(uintptr_t)json.ptr, json.len));
}

NH_INLINE nh_status nh_reply_bytes(const nh_call *call, nh_bytes bytes) {
  return call->answer->reply(call->answer->ctx, call->handle,
                             nh_make_value('b', (uint64_t)(uintptr_t)bytes.ptr, bytes.len));
}

NH_INLINE nh_status nh_reply_error(const nh_call *call, nh_status code, nh_str message) {
  return call->answer->fail(call->answer->ctx, call->handle, code, message);
}

NH_HEADER_END
NH_EXTERN_C_END

#endif

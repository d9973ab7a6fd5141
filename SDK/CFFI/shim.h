#include <ffi.h>

/* The type of a signature letter; null for a letter that is none. Text, bytes and JSON are a struct of
 * an address and a length, as nh_str is. */
static inline ffi_type *cffi_type(unsigned char letter) {
  static ffi_type *members[] = {&ffi_type_pointer, &ffi_type_uint64, NULL};
  static ffi_type borrowed = {0, 0, FFI_TYPE_STRUCT, members};
  switch (letter) {
  case 'v': return &ffi_type_void;
  case 'i': case 'z': return &ffi_type_sint32;
  case 'I': return &ffi_type_uint32;
  case 'l': return &ffi_type_sint64;
  case 'L': return &ffi_type_uint64;
  case 'd': return &ffi_type_double;
  case 's': case 'b': case 'j': return &borrowed;
  case 'p': return &ffi_type_pointer;
  default: return NULL;
  }
}

static inline ffi_status cffi_prepare(ffi_cif *cif, unsigned count, ffi_type **types) {
  return ffi_prep_cif(cif, FFI_DEFAULT_ABI, count, &ffi_type_void, types);
}

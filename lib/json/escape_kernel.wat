;; Escapes text as the inside of a JSON string, 16 bytes at a time.
;;
;; `deno task wasm` compiles this file to escape_kernel_bytes.ts; escape_kernel.ts loads it. What it does to each block:
;; one comparison finds the bytes that need a backslash. Where there are none, the block is written as it is. Else each
;; half of it is spread by a shuffle that leaves a gap before each such byte; the gap is filled from lanes that hold
;; backslashes. The shuffle comes from a table by the half's pattern of such bytes, 256 patterns of 16 places, which
;; escape_kernel.ts writes at the memory's start. Nothing branches on where quotes stand: in JSON no one can foretell.
(module
  (memory (import "relay" "memory") 1)

  ;; Escapes the text at $read…$end to $write. The 15 bytes behind $end are overwritten, and so are up to 23 behind what
  ;; is written. Returns the place behind what was written; -1 where the text holds a character that becomes \u00xx.
  (func (export "escape")
    (param $read i32) (param $end i32) (param $write i32) (result i32)
    (local $text v128)
    (local $control v128) ;; which bytes are control characters
    (local $mask i32) ;; a bit for each byte that gets a backslash
    (local $padding i32) ;; bytes of the last block that lie behind the text

    ;; The last block is made whole with spaces, which stay one byte each, and are left off at the end.
    (local.set $padding
      (i32.and (i32.sub (local.get $read) (local.get $end)) (i32.const 15)))
    (v128.store (local.get $end) (i8x16.splat (i32.const 0x20)))

    (block $done
      (loop $block
        (br_if $done (i32.ge_u (local.get $read) (local.get $end)))
        (local.set $text (v128.load (local.get $read)))
        (local.set $read (i32.add (local.get $read) (i32.const 16)))

        (local.set $control
          (i8x16.lt_u (local.get $text) (i8x16.splat (i32.const 0x20))))
        (local.set $mask
          (i8x16.bitmask
            (v128.or
              (local.get $control)
              (v128.or
                (i8x16.eq (local.get $text) (i8x16.splat (i32.const 0x22))) ;; "
                (i8x16.eq (local.get $text) (i8x16.splat (i32.const 0x5c))))))) ;; \

        (if (i32.eqz (local.get $mask))
          (then
            (v128.store (local.get $write) (local.get $text))
            (local.set $write (i32.add (local.get $write) (i32.const 16)))
            (br $block)))

        ;; Control characters become the letters behind their backslashes: b t n f r for 8 9 10 12 13. Another becomes 0.
        (local.set $text
          (v128.bitselect
            (i8x16.swizzle
              (v128.const i8x16 0 0 0 0 0 0 0 0 0x62 0x74 0x6e 0 0x66 0x72 0 0)
              (local.get $text))
            (local.get $text)
            (local.get $control)))
        (if (i32.eqz (i8x16.all_true (local.get $text)))
          (then (return (i32.const -1))))

        ;; The first half: places 0–7 of a shuffle are its text, place 8 a backslash.
        (v128.store
          (local.get $write)
          (i8x16.swizzle
            (i64x2.replace_lane 1
              (local.get $text) (i64.const 0x5c5c5c5c5c5c5c5c))
            (v128.load ;; row (mask & 255) of the table
              (i32.shl
                (i32.and (local.get $mask) (i32.const 0xff))
                (i32.const 4)))))
        (local.set $write
          (i32.add
            (i32.add (local.get $write) (i32.const 8))
            (i32.popcnt (i32.and (local.get $mask) (i32.const 0xff)))))

        ;; The second half, moved to the places of the first.
        (v128.store
          (local.get $write)
          (i8x16.swizzle
            (i64x2.replace_lane 1
              (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7
                (local.get $text) (local.get $text))
              (i64.const 0x5c5c5c5c5c5c5c5c))
            (v128.load ;; row (mask >> 8) of the table
              (i32.shl
                (i32.shr_u (local.get $mask) (i32.const 8))
                (i32.const 4)))))
        (local.set $write
          (i32.add
            (i32.add (local.get $write) (i32.const 8))
            (i32.popcnt (i32.shr_u (local.get $mask) (i32.const 8)))))
        (br $block)))

    (i32.sub (local.get $write) (local.get $padding))))

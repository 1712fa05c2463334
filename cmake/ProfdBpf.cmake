# SPDX-License-Identifier: Apache-2.0
# bpf/NAME.bpf.c -> generated/bpf/NAME.skel.h, embedded in the daemon; no object is read at run time.
find_program(BPF_CLANG NAMES clang clang-14 clang-16 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip llvm-strip-14 llvm-strip-16 REQUIRED)

set(bpf_out ${CMAKE_BINARY_DIR}/generated/bpf)
file(MAKE_DIRECTORY ${bpf_out})
file(GLOB bpf_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.bpf.c)
file(GLOB bpf_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h ${CMAKE_SOURCE_DIR}/bpf/*.def)
set(bpf_skeletons)
foreach(source ${bpf_sources})
	get_filename_component(stem ${source} NAME)
	string(REPLACE ".bpf.c" "" stem ${stem})
	string(REPLACE "." "_" ident ${stem})
	set(object ${bpf_out}/${stem}.bpf.o)
	set(skeleton ${bpf_out}/${stem}.skel.h)
	add_custom_command(OUTPUT ${object}
		COMMAND ${BPF_CLANG} -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Werror
			-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
			-I${CMAKE_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/bpf
			-idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source} -o ${object}
		COMMAND ${LLVM_STRIP} -g ${object}
		DEPENDS ${source} ${bpf_headers} VERBATIM)
	add_custom_command(OUTPUT ${skeleton}
		COMMAND ${BPFTOOL} gen skeleton ${object} name ${ident}_bpf > ${skeleton}
		DEPENDS ${object} VERBATIM)
	list(APPEND bpf_skeletons ${skeleton})
endforeach()
add_custom_target(bpf_skeleton_files DEPENDS ${bpf_skeletons})
add_library(bpf_skeletons INTERFACE)
target_include_directories(bpf_skeletons SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/generated)
add_dependencies(bpf_skeletons bpf_skeleton_files)

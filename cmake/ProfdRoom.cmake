# SPDX-License-Identifier: Apache-2.0
# profd_room(NAME FOLDER LIBS...): the static library profd_NAME of all .c files of FOLDER. LIBS are
# rooms or imported targets.
function(profd_link target)
	foreach(lib ${ARGN})
		if(TARGET profd_${lib})
			target_link_libraries(${target} PUBLIC profd_${lib})
		else()
			target_link_libraries(${target} PUBLIC ${lib})
		endif()
	endforeach()
endfunction()

function(profd_room name folder)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
	if(NOT sources)
		add_library(profd_${name} INTERFACE)
		foreach(lib ${ARGN})
			if(TARGET profd_${lib})
				target_link_libraries(profd_${name} INTERFACE profd_${lib})
			else()
				target_link_libraries(profd_${name} INTERFACE ${lib})
			endif()
		endforeach()
		return()
	endif()
	add_library(profd_${name} STATIC ${sources})
	profd_link(profd_${name} ${ARGN})
endfunction()

# profd_wire(NAME FOLDER PROTO LIBS...): a room that also holds the code generated from PROTO.
function(profd_wire name folder proto)
	set(out ${CMAKE_BINARY_DIR}/generated/wire)
	file(MAKE_DIRECTORY ${out})
	get_filename_component(stem ${proto} NAME_WE)
	find_program(PROTOC_C protoc-c REQUIRED)
	add_custom_command(OUTPUT ${out}/${stem}.pb-c.c ${out}/${stem}.pb-c.h
		COMMAND ${PROTOC_C} --c_out=${out} --proto_path=${CMAKE_SOURCE_DIR}/proto
			${CMAKE_SOURCE_DIR}/${proto}
		DEPENDS ${CMAKE_SOURCE_DIR}/${proto} VERBATIM)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
	add_library(profd_${name} STATIC ${sources} ${out}/${stem}.pb-c.c ${out}/${stem}.pb-c.h)
	set_source_files_properties(${out}/${stem}.pb-c.c PROPERTIES COMPILE_OPTIONS "-w")
	target_include_directories(profd_${name} SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/generated)
	profd_link(profd_${name} ${ARGN})
endfunction()

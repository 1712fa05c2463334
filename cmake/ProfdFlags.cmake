# SPDX-License-Identifier: Apache-2.0
# The one place for compiler flags.
option(PROFD_TESTS "Build the tests" ON)
option(PROFD_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(PROFD_WERROR "Warnings are errors" OFF)

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_definitions(_GNU_SOURCE PROFD_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef
	-Wpointer-arith -Wwrite-strings -Wno-missing-field-initializers -Wno-sign-compare
	-fno-strict-aliasing -fstack-protector-strong)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
	add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
if(PROFD_WERROR)
	add_compile_options(-Werror)
endif()
if(PROFD_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
		-fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
	add_compile_definitions(PROFD_SANITIZE=1)
endif()
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/lib ${CMAKE_SOURCE_DIR}/daemon)

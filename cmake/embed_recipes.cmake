# Writes OUTPUT, the C++ file that holds the recipe files FILES.  Run as: cmake -DFILES=... -DOUTPUT=... -P embed_recipes.cmake
# The files are named, not a folder, so that the command changes when a file goes away, and is run again.
list(SORT FILES)
set(rows "")
foreach(path ${FILES})
  get_filename_component(name ${path} NAME_WE)
  file(READ ${path} text)
  if(text MATCHES "\\)recipe\"")
    message(FATAL_ERROR "${path}: )recipe\" would end the string literal that the file is built into")
  endif()
  string(APPEND rows "    {\"${name}\", R\"recipe(${text})recipe\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"recipe/shipped_recipes.hpp\"

namespace binade {

std::span<const shipped_recipe> shipped_recipes() {
  static constexpr shipped_recipe recipes[] = {
${rows}  };
  return recipes;
}

}  // namespace binade
")
